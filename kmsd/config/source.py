"""Where a configuration's values stand, for mistakes that are found in it: `file:line: path: what is wrong`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

Place = tuple[str | int, ...]
"""The keys and list positions that lead to a value: ("tenants", "acme", "clients", "app")."""

Problem = tuple[Place, str]
"""What is wrong with a value, and where it stands in the one that is looked at."""


class ConfigurationError(Exception):
    """The mistakes of a configuration, one line each, in the order of the file."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Mistake(NamedTuple):
    """What is wrong with a value, and the line to look at."""

    line: int
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file, and the line of each value in it."""

    path: Path
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of the value, or of the nearest enclosing one: what is missing has no line."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]

    def mistake(self, place: Place, text: str) -> Mistake:
        return Mistake(self.line(place), place, text)

    def error(self, mistakes: Iterable[Mistake]) -> ConfigurationError:
        """The mistakes as people read them, each once, in the order of the file."""
        ordered = sorted(dict.fromkeys(mistakes), key=lambda mistake: mistake.line)
        return ConfigurationError([f"{self.path}:{line}: {said(place, text)}" for line, place, text in ordered])


def said(place: Place, text: str) -> str:
    return f"{dotted(place)}: {text}" if place else text


def dotted(place: Place) -> str:
    """As people write it: tenants.acme.clients.app, listeners[0].port."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
