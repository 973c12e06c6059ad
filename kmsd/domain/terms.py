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
from dataclasses import fields, is_dataclass
from enum import Enum, IntFlag
from functools import lru_cache
from typing import Any, NamedTuple

from kmsd.domain.objects import ManagedObject
from protocol.attributes import ATTRIBUTES, spec_of
from protocol.enums import State
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


OF_KIND = {
    name: kind
    for name, spec in ATTRIBUTES.items()
    if spec.searchable and (kind := _type_of_few(name, spec.type)) is not None
}
"""The attributes whose terms are those of a kind. What is stored was divided by this: a change needs a migration."""


def terms(obj: ManagedObject) -> Terms:
    """What an object can be found by; its Unique Identifier is no term."""
    numbers: list[tuple[str, int]] = [("Object Type", obj.object_type)]
    own: set[Term] = set()
    others: set[Term] = set()
    if obj.state is not None:
        numbers.append(("State", obj.state))
        due = obj.attributes.get(_NEXT_DATES.get(obj.state, ""))
        if due is not None:
            own.add((term_of("State", DUE, number(due)), 0))
    for key, instances in obj.attributes.items():
        value = instances[0].value
        if len(instances) == 1 and isinstance(value, int):
            if key in OF_KIND:
                numbers.append((key, value))
            else:
                own.update(_number_terms(key, value))
        elif _is_indexed(key):
            found = others if key in OF_KIND else own
            for position, attribute in enumerate(instances):
                instance = position if is_instanced(attribute.value) else 0
                found.update([(term_of(key, path, part), instance) for path, part in parts(attribute.value)])
    kind = _kind_terms(tuple(numbers))
    return Terms(frozenset(own), kind | others if others else kind)


@lru_cache(maxsize=4096)
def _number_terms(key: str, value: int) -> tuple[Term, ...]:
    """The terms of a single number: kept, as dates are the same for all that is made in a second."""
    if not _is_indexed(key):
        return ()
    return tuple((term_of(key, path, part), 0) for path, part in parts(value))


@lru_cache(maxsize=1024)
def _kind_terms(numbers: tuple[tuple[str, int], ...]) -> frozenset[Term]:
    """The terms of a kind; kept, so that objects of one kind have the same set."""
    found: set[Term] = set()
    for key, value in numbers:
        found.update((term_of(key, path, part), 0) for path, part in parts(OF_KIND[key](value)))
    return frozenset(found)


@lru_cache(maxsize=1024)
def _is_indexed(key: str) -> bool:
    spec = spec_of(key)
    return spec is not None and spec.searchable and key != "Unique Identifier"


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


def _scalar(value: Any) -> str:
    if isinstance(value, int):
        return number(value)
    if isinstance(value, str):
        if len(value) <= LONGEST_TEXT and value.isprintable():
            return "t" + value
        return "T" + _digest(value.encode())
    return "x" + value.hex() if len(value) <= LONGEST_TEXT // 2 else "X" + _digest(value)


def parts(value: Any) -> list[tuple[str, str]]:
    """(path, canonical value) of every field that is present."""
    found: list[tuple[str, str]] = []
    _collect(value, "", found)
    return found


def _collect(value: Any, path: str, found: list[tuple[str, str]]) -> None:
    if isinstance(value, IntFlag):
        found.append((path, number(value)))
        found.extend((path + "&", number(bit)) for bit in range(32) if value >> bit & 1)
    elif isinstance(value, (int, str, bytes)):
        found.append((path, _scalar(value)))
    elif isinstance(value, tuple):
        for element in value:
            _collect(element, path, found)
    elif isinstance(value, Item):
        if isinstance(value.value, tuple):
            for child in value.value:
                _collect(child, f"{path}/{child.tag:06X}", found)
        else:
            # The same number as an Integer and as an Enumeration are two values.
            found.append((f"{path}:{value.type:X}", _scalar(value.value)))
    else:
        prefix = f"{path}/" if path else ""
        structure: Any = type(value)
        for name in _field_names(structure):
            part = getattr(value, name)
            if part is None:
                continue
            if isinstance(part, (int, str, bytes)) and not isinstance(part, IntFlag):
                found.append((prefix + name, _scalar(part)))
            else:
                _collect(part, prefix + name, found)


@lru_cache(maxsize=256)
def _field_names(structure: type) -> tuple[str, ...]:
    if not is_dataclass(structure):
        raise TypeError(f"no attribute value: {structure.__name__}")
    return tuple(field.name for field in fields(structure))


def is_instanced(value: Any) -> bool:
    """Whether a value has several terms that must be found together."""
    if isinstance(value, Item):
        return value.type is ItemType.STRUCTURE
    return isinstance(value, IntFlag) or not isinstance(value, (int, str, bytes))
