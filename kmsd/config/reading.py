"""From a tree of plain values to frozen sections: strict, with every mistake at once, each with its place.

The annotations of a section say what its options take: text, whole numbers, true and false, `tuple[X, ...]`,
`dict[K, V]`, `X | None`, `Literal`, other sections, and instances of any other class, which a `Before` makes of what
stands in the file.

No library does this, for none fits. Pydantic costs a daemon 9 MiB and 60 ms of every start. Cattrs takes "5" for 5,
quotes values in its messages, where they may be secrets, forgets the order of unknown options and has no way to pass
the surroundings: every hook of it would be ours, and what it leaves, the walk over the tree, is half of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

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
    """What is wrong with a value: each mistake with its place in it.

    `sound` is what is left of the value: of a section its sound options and the defaults of those left out, of a
    mapping its items, each whole or what is left of it; None for all else.
    """

    def __init__(self, problems: Iterable[Problem], sound: Mapping[str, Any] | None = None) -> None:
        self.problems = tuple(problems)
        self.sound = sound
        super().__init__("\n".join(said(place, text) for place, text in self.problems))

    @classmethod
    def of(cls, error: ValueError) -> Wrong:
        return error if isinstance(error, Wrong) else cls([((), str(error))])


# What annotations are made of


@dataclass(frozen=True, slots=True)
class Rule:
    """What options have to be together. It is looked at wherever what it needs is sound, whatever else is wrong."""

    check: Callable[..., Iterable[Problem]]
    """Takes the values of `needs`, then of `parts`, then of `given`, then the surroundings; yields what is wrong."""
    needs: tuple[str, ...] = ()
    """Options that have to be sound."""
    parts: tuple[str, ...] = ()
    """Options of which it takes what is sound: all of it, or what `Wrong.sound` says."""
    given: tuple[str, ...] = ()
    """Options of which it only takes whether they have a value, sound or not."""
    placed: bool = False

    def problems(self, values: Mapping[str, Any], unsound: Set[str], around: Surroundings | None) -> Iterable[Problem]:
        """`values`: by option; of an unsound one its sound parts, or None."""
        if any(name in unsound for name in self.needs) or any(values.get(name) is None for name in self.parts):
            return ()
        return self.check(
            *(values[name] for name in (*self.needs, *self.parts)),
            *(name in values and (name in unsound or values[name] is not None) for name in self.given),
            *((around,) if self.placed else ()),
        )


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Section:
    """Base of every section, a frozen dataclass: no unknown options, no guessing of types, no change after loading.

    What is made in code, not read, is taken as it is.
    """

    together: ClassVar[tuple[Rule, ...]] = ()

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)


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
        raise Wrong.of(error) from None
    return section


def sound_options(kind: type[Section], value: object) -> Mapping[str, Any]:
    """The options of the section that are sound, and the defaults of those left out."""
    try:
        return vars(read(kind, value))
    except Wrong as wrong:
        return wrong.sound or {}


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
        self.unsound: set[Any] = set()

    def read(self, part: Any, read: Read, value: object) -> Any:
        """The part, or what of it is sound, or None."""
        try:
            return read(value, self.around)
        except ValueError as error:
            wrong = Wrong.of(error)
        self.problems += [((part, *place), text) for place, text in wrong.problems]
        self.unsound.add(part)
        return wrong.sound

    def end(self, sound: Mapping[str, Any] | None = None) -> None:
        if self.problems:
            raise Wrong(self.problems, sound)


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
        parts.end({key: item for key, item in items.items() if key is not None})
        return items

    return read


def _section(kind: type[Section]) -> Read:
    hints = get_type_hints(kind, include_extras=True)
    options = [(option, reader(hints[option.name])) for option in fields(kind)]  # type: ignore[arg-type]
    names = {option.name for option, _ in options}

    def read(value: Any, around: Surroundings | None) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, dict):
            raise ValueError("expected a mapping of options to values")
        parts = _Parts(around)
        values = {}
        for option, read_option in options:
            name = option.name
            if name in value:
                values[name] = parts.read(name, read_option, value[name])
            elif option.default is not MISSING:
                values[name] = option.default
            elif option.default_factory is not MISSING:
                values[name] = option.default_factory()
            else:
                parts.problems.append(((name,), "required, but not given"))
                parts.unsound.add(name)
        parts.problems += [((name,), "unknown option") for name in value if name not in names]
        for rule in kind.together:
            parts.problems += rule.problems(values, parts.unsound, around)
        parts.end({name: value for name, value in values.items() if name not in parts.unsound})
        return kind(**values)

    return read


_COMPOSED: dict[Any, Callable[..., Read]] = {
    Annotated: _stepped,
    Literal: _one_of,
    Union: _optional,
    UnionType: _optional,
    tuple: _list,
    dict: _mapping,
}
