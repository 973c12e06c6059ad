"""What a statement is once it is text, and what of a search its text depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and the names of its parameters in their order."""

    sql: str
    parameters: tuple[str, ...]

    def bind(self, values: dict[str, Any]) -> list[Any]:
        return [values[name] for name in self.parameters]


@dataclass(frozen=True, slots=True)
class Form:
    """Of a condition, what its SQL depends on: `terms` is 0 for a range; `none` asks that there be no match."""

    terms: int
    instanced: bool = False
    none: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes two searches use one statement. `kinds`: objects of every kind, of "one", or of "some"."""

    output: str
    driver: Form | None
    tests: tuple[Form, ...]
    statuses: int
    kinds: str = ""
