"""From a tree of plain values to frozen sections: strict, with every mistake at once, each with its place.

The annotations of a section say what its options take: text, whole numbers, true and false, `tuple[X, ...]`,
`dict[K, V]`, `X | None`, `Literal`, other sections, and instances of any other class, which a `Before` makes of what
stands in the file.

No library does this, for none fits. Pydantic costs a daemon 9 MiB and 60 ms of every start. Cattrs takes "5" for 5,
quotes values in its messages, where they may be secrets, forgets the order of unknown options and has no way to pass
the surroundings: every hook of it would be ours, and what it leaves, the walk over the tree, is half of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

from kmsd.config.source import Problem, said

Read = Callable[[Any, "Surroundings | None"], Any]
"""From what stands in the file to the value. Raises ValueError: Wrong, where mistakes have places in it."""

SomeSection = TypeVar("SomeSection", bound="Section")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the file stands: `base` for relative paths, the credential directory and whether its files need a
    private mode."""

    base: Path
    credentials: Path | None
    private: bool = True


class Wrong(ValueError):
    """What is wrong with a value: each mistake with its place in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(said(place, text) for place, text in self.problems))


def _problems_of(error: ValueError) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, Wrong) else (((), str(error)),)


# What annotations are made of


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Section:
    """Base of every section, a frozen dataclass: no unknown options, no guessing of types, no change after loading.

    What is made in code, not read, is taken as it is.
    """

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)

    def check(self, around: Surroundings | None) -> None:
        """Raise ValueError where options are sound, but not together. Called once all of them have been read."""


@dataclass(frozen=True, slots=True)
class Before:
    """A step before the type is looked at: it takes what stands in the file. `placed`: and the surroundings."""

    step: Callable[..., Any]
    placed: bool = False

    def added_to(self, read: Read) -> Read:
        step = self.step
        if self.placed:
            return lambda value, around: read(step(value, around), around)
        return lambda value, around: read(step(value), around)


@dataclass(frozen=True, slots=True)
class After:
    """A step that takes the value once it has its type. `placed`: and the surroundings."""

    step: Callable[..., Any]
    placed: bool = False

    def added_to(self, read: Read) -> Read:
        step = self.step
        if self.placed:
            return lambda value, around: step(read(value, around), around)
        return lambda value, around: step(read(value, around))


# Readers


def read(kind: type[SomeSection], value: object, around: Surroundings | None = None) -> SomeSection:
    """The section that stands there. Without surroundings no file is looked at. Raises Wrong."""
    annotation: Any = kind
    try:
        section: SomeSection = reader(annotation)(value, around)
    except ValueError as error:
        raise Wrong(_problems_of(error)) from None
    return section


@cache
def reader(annotation: Any) -> Read:
    """How values of this annotation are read: kept, since annotations are as many as the code has, and no more."""
    make = _COMPOSED.get(get_origin(annotation))
    if make is not None:
        return make(*get_args(annotation))
    return _section(annotation) if issubclass(annotation, Section) else _instance(annotation)


class _Parts:
    """The parts of one value as they are read, and what is wrong with them."""

    def __init__(self, around: Surroundings | None) -> None:
        self.around = around
        self.problems: list[Problem] = []

    def read(self, part: Any, read: Read, value: object) -> Any:
        try:
            return read(value, self.around)
        except ValueError as error:
            self.problems += [((part, *place), text) for place, text in _problems_of(error)]
        return None

    def end(self) -> None:
        if self.problems:
            raise Wrong(self.problems)


_EXPECTED = {str: "text; put it in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def _instance(kind: type) -> Read:
    expected = f"expected {_EXPECTED[kind]}" if kind in _EXPECTED else f"Input should be an instance of {kind.__name__}"

    def read(value: Any, _around: Surroundings | None) -> Any:
        # To Python, True is a whole number.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(expected)
        return value

    return read


def _one_of(*known: str) -> Read:
    *others, last = (f"'{value}'" for value in known)
    expected = f"expected {', '.join(others)} or {last}"

    def read(value: Any, _around: Surroundings | None) -> Any:
        if value not in known:
            raise ValueError(expected)
        return value

    return read


def _optional(kind: Any, _none: type[None]) -> Read:
    read = reader(kind)
    return lambda value, around: None if value is None else read(value, around)


def _stepped(kind: Any, *steps: Before | After) -> Read:
    read = reader(kind)
    for step in steps:
        read = step.added_to(read)
    return read


def _list(kind: Any, _ellipsis: object) -> Read:
    read_item = reader(kind)

    def read(value: Any, around: Surroundings | None) -> Any:
        if not isinstance(value, tuple):
            raise ValueError("expected a list")
        parts = _Parts(around)
        items = tuple(parts.read(index, read_item, item) for index, item in enumerate(value))
        parts.end()
        return items

    return read


def _mapping(key_kind: Any, kind: Any) -> Read:
    read_key, read_item = reader(key_kind), reader(kind)

    def read(value: Any, around: Surroundings | None) -> Any:
        if not isinstance(value, dict):
            raise ValueError("expected a mapping of names to values")
        parts = _Parts(around)
        items = {parts.read(key, read_key, key): parts.read(key, read_item, item) for key, item in value.items()}
        parts.end()
        return items

    return read


def _section(kind: type[Section]) -> Read:
    hints = get_type_hints(kind, include_extras=True)
    options = [
        (option.name, reader(hints[option.name]), option.default is MISSING and option.default_factory is MISSING)
        for option in fields(kind)  # type: ignore[arg-type]
    ]
    names = {name for name, _, _ in options}

    def read(value: Any, around: Surroundings | None) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, dict):
            raise ValueError("expected a mapping of options to values")
        parts = _Parts(around)
        given = {}
        for name, read_option, required in options:
            if name in value:
                given[name] = parts.read(name, read_option, value[name])
            elif required:
                parts.problems.append(((name,), "required, but not given"))
        parts.problems += [((name,), "unknown option") for name in value if name not in names]
        parts.end()
        section = kind(**given)
        section.check(around)
        return section

    return read


_COMPOSED: dict[Any, Callable[..., Read]] = {
    Annotated: _stepped,
    Literal: _one_of,
    Union: _optional,
    UnionType: _optional,
    tuple: _list,
    dict: _mapping,
}
