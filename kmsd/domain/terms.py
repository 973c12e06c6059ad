"""What objects are found by, as texts.

Each searchable value of an object becomes a term, a text `key US path US value` (US is the ASCII unit separator):

    Name, name_value "app/key"         "420053" "name_value" "tapp/key"
    Cryptographic Length 256           "42002A" "" "n2100"

The key is the attribute's tag, or the name of a custom attribute. Numbers are written so that the order of the texts
is the order of the numbers: a range of dates is a range of terms. A term belongs to an instance, so that two fields
asked of a structure are found in the same structure.

Most objects of a tenant are alike in all but their names, dates and material. So the terms of attributes that have few
values are those of a kind: they are stored once for all objects of the kind, and each object has only the rest as its
own. The index would otherwise be most of what a commit writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum, IntFlag
from functools import lru_cache
from itertools import chain, starmap
from typing import Any, NamedTuple

from kmsd.domain.objects import ManagedObject
from protocol.attributes import ATTRIBUTES, Attribute, spec_of
from protocol.enums import ObjectType, State
from protocol.ttlv import Item, ItemType

SEPARATOR = "\x1f"
AFTER_SEPARATOR = "\x20"
LONGEST_TEXT = 64
"""Longer texts and bytes are compared by their SHA-256, so that an index entry stays short."""
BIAS = 1 << 63

DUE = "due"
_NEXT_DATES = {State.PRE_ACTIVE: "Activation Date", State.ACTIVE: "Deactivation Date"}
"""KMIP 1.4 §3.22: what time alone changes."""

Term = tuple[str, int]
"""The text, and the instance of the attribute that it is about."""


class Terms(NamedTuple):
    """All that an object can be found by."""

    own: frozenset[Term]
    kind: frozenset[Term]


_FEW_VALUES = frozenset({"Cryptographic Length", "Lease Time"})
"""Attributes that are numbers, and yet have few values."""


def _type_of_few(name: str, kind: Any) -> type[int] | None:
    """What the values are made again from, if there are few of them."""
    if name in _FEW_VALUES:
        return int
    if not isinstance(kind, type):
        return None
    if issubclass(kind, IntFlag):
        return kind
    return int if issubclass(kind, Enum) or kind is bool else None


UNINDEXED = frozenset({"Digest", "Short Unique Identifier"})
"""Attributes that are looked for in the objects themselves: random values, hardly ever asked for, whose index would be
half of what a new object writes. What is stored was made by this: a change needs a migration."""

OF_KIND = {
    name: kind
    for name, spec in ATTRIBUTES.items()
    if spec.searchable and (kind := _type_of_few(name, spec.type)) is not None
}
"""The attributes whose terms are those of a kind. What is stored was divided by this: a change needs a migration."""


class AttributeTerms(NamedTuple):
    """What one attribute adds to the terms of its object."""

    own: tuple[Term, ...] = ()
    kind: tuple[Term, ...] = ()
    number: tuple[str, int] | None = None
    """The attribute of a kind whose only value is a number: the kind's terms are kept for all such numbers at once."""


def terms(obj: ManagedObject) -> Terms:
    """What an object can be found by; its Unique Identifier is no term."""
    own, kind, numbers = zip(AttributeTerms(), *starmap(attribute_terms, obj.attributes.items()), strict=True)
    return joined_terms(obj, own, kind, numbers)


def joined_terms(
    obj: ManagedObject,
    own: Iterable[tuple[Term, ...]],
    kind: Iterable[tuple[Term, ...]],
    numbers: tuple[tuple[str, int] | None, ...],
) -> Terms:
    """As `terms`, for who has the AttributeTerms of all the object's attributes."""
    if obj.state in _NEXT_DATES:
        due = obj.attributes.get(_NEXT_DATES[obj.state])
        if due is not None:
            own = (*own, ((term_of("State", DUE, number(due)), 0),))
    of_kind = _kind_terms(obj.object_type, obj.state, numbers)
    if any(kind):
        of_kind = of_kind.union(*kind)
    return Terms(frozenset(chain.from_iterable(own)), of_kind)


def attribute_terms(key: str, instances: tuple[Attribute, ...]) -> AttributeTerms:
    """The terms of one attribute, which depend on nothing else."""
    prefix = _prefix_of(key)
    if prefix is None:
        return AttributeTerms()
    value = instances[0].value
    if key in OF_KIND and len(instances) == 1 and isinstance(value, int):
        return AttributeTerms(number=(key, value))
    found = []
    for position, attribute in enumerate(instances):
        instance = position if position and is_instanced(attribute.value) else 0
        found += [(f"{prefix}{path}{SEPARATOR}{part}", instance) for path, part in parts(attribute.value)]
    return AttributeTerms(kind=tuple(found)) if key in OF_KIND else AttributeTerms(own=tuple(found))


@lru_cache(maxsize=1024)
def _kind_terms(
    object_type: ObjectType, state: State | None, numbers: tuple[tuple[str, int] | None, ...]
) -> frozenset[Term]:
    """The terms of a kind; kept, so that objects of one kind have the same set."""
    found: set[Term] = set()
    for key, value in (("Object Type", object_type), ("State", state), *filter(None, numbers)):
        if value is not None:
            found.update((term_of(key, path, part), 0) for path, part in parts(OF_KIND[key](value)))
    return frozenset(found)


@lru_cache(maxsize=1024)
def _prefix_of(key: str) -> str | None:
    """How the terms of an attribute begin; None for one that has none."""
    spec = spec_of(key)
    return None if spec is None or not spec.searchable or key == "Unique Identifier" else key_of(key) + SEPARATOR


@lru_cache(maxsize=4096)
def number(value: int) -> str:
    """A whole number as text in the same order; beyond 64 bits there is no order, only equality.

    Before its hexadecimal digits stands how many they are, less one; negative numbers count downwards.
    """
    if 0 <= value < BIAS:
        digits = f"{value:x}"
        return f"n{len(digits) - 1:x}{digits}"
    if -BIAS <= value < 0:
        length = len(f"{~value:x}")
        return f"m{16 - length:x}{(1 << 4 * length) + value:0{length}x}"
    return f"b{value:x}"


@lru_cache(maxsize=1024)
def key_of(key: str) -> str:
    spec = ATTRIBUTES.get(key)
    if spec is not None:
        return f"{spec.tag:06X}"
    # A custom attribute's name is the client's: it must not reach into the separators.
    return key if len(key) <= LONGEST_TEXT and key.isprintable() else "#" + _digest(key.encode())


def term_of(key: str, path: str, value: str) -> str:
    return f"{key_of(key)}{SEPARATOR}{path}{SEPARATOR}{value}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(value: str) -> str:
    if len(value) <= LONGEST_TEXT and value.isprintable():
        return "t" + value
    return "T" + _digest(value.encode())


def _bytes(value: bytes) -> str:
    return "x" + value.hex() if len(value) <= LONGEST_TEXT // 2 else "X" + _digest(value)


@lru_cache(maxsize=256)
def _scalar_of(kind: type) -> Callable[[Any], str] | None:
    """How a value of this type is written; None for what has parts."""
    if issubclass(kind, IntFlag):
        return None
    return next((write for of, write in ((int, number), (str, _text), (bytes, _bytes)) if issubclass(kind, of)), None)


def parts(value: Any) -> list[tuple[str, str]]:
    """(path, canonical value) of every field that is present."""
    found: list[tuple[str, str]] = []
    _collect(value, "", found)
    return found


def _collect(value: Any, path: str, found: list[tuple[str, str]]) -> None:
    write = _scalar_of(value.__class__)
    if write is not None:
        found.append((path, write(value)))
    elif isinstance(value, IntFlag):
        found.append((path, number(value)))
        found.extend((path + "&", number(bit)) for bit in range(32) if value >> bit & 1)
    elif isinstance(value, tuple):
        for element in value:
            _collect(element, path, found)
    elif isinstance(value, Item):
        if isinstance(value.value, tuple):
            for child in value.value:
                _collect(child, f"{path}/{child.tag:06X}", found)
        else:
            # The same number as an Integer and as an Enumeration are two values.
            _collect(value.value, f"{path}:{value.type:X}", found)
    else:
        structure: Any = type(value)
        for name, inner in _field_paths(structure, path):
            part = getattr(value, name)
            if part is None:
                continue
            write = _scalar_of(part.__class__)
            if write is not None:
                found.append((inner, write(part)))
            else:
                _collect(part, inner, found)


@lru_cache(maxsize=256)
def _field_paths(structure: type, path: str) -> tuple[tuple[str, str], ...]:
    """The fields of a structure that stands at a path: each one's name, and its own path."""
    if not is_dataclass(structure):
        raise TypeError(f"no attribute value: {structure.__name__}")
    prefix = f"{path}/" if path else ""
    return tuple((field.name, prefix + field.name) for field in fields(structure))


def is_instanced(value: Any) -> bool:
    """Whether a value has several terms that must be found together."""
    if isinstance(value, Item):
        return value.type is ItemType.STRUCTURE
    return isinstance(value, IntFlag) or not isinstance(value, (int, str, bytes))
