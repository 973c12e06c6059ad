"""Locate: what an object can be found by, and what a query asks for. KMIP 1.4 §4.9, 2.1 §6.1.28.

Both sides are brought into one form, so that the store's SQL and `matches` cannot disagree about a value.
Each searchable value of an object becomes a term, a text `key US path US value` (US is the ASCII unit
separator):

    Name, name_value "app/key"         "420053" "name_value" "tapp/key"
    Cryptographic Length 256           "42002A" "" "n2100"

The key is the attribute's tag, or the name of a custom attribute. Terms are short because an object has some
twenty of them, and the pages of their index are most of what a commit writes. Numbers are written so that the
order of the texts is the order of the numbers: a range of dates is a range of terms. A term belongs to an
instance, so that two fields asked of a structure are found in the same structure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import IntFlag
from functools import lru_cache
from typing import Any

from kmsd.domain.errors import invalid_field, unsupported
from kmsd.domain.objects import ManagedObject
from protocol.attributes import ATTRIBUTES, Attribute, spec_of
from protocol.enums import ObjectGroupMember, State, StorageStatusMask
from protocol.schema import DateTime, DateTimeExtended
from protocol.ttlv import Item, ItemType
from protocol.vendor import CMK

SEPARATOR = "\x1f"
AFTER_SEPARATOR = "\x20"
LONGEST_TEXT = 64
"""Longer texts and bytes are compared by their SHA-256, so that an index entry stays short."""
MOST_CONDITIONS = 32
"""Values that one query asks for, the fields of structures counted each: every one is a join."""
LARGEST_DATE = (1 << 63) - 1
"""KMIP 1.4 §4.9: a date of this value is the same as an undefined one."""
_BIAS = 1 << 63

_DUE = "due"
_NEXT_DATES = {State.PRE_ACTIVE: "Activation Date", State.ACTIVE: "Deactivation Date"}
"""KMIP 1.4 §3.22: what time alone changes."""

DESTROYED_STATES = frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED})

RECORDS = StorageStatusMask(0x40000000)
"""Where the records of CMKs are: no storage that a client can name, so that no search of a client's finds them."""
DESTROYED_RECORDS = StorageStatusMask(0x20000000)


@dataclass(frozen=True, slots=True)
class LocateQuery:
    """What a Locate request asks; Attribute Indexes are ignored, as the specification says."""

    tenant: str
    conditions: tuple[Attribute, ...] = ()
    maximum_items: int | None = None
    offset_items: int = 0
    storage_status_mask: StorageStatusMask | None = None
    """None is on-line only."""
    object_group_member: ObjectGroupMember | None = None
    records: bool = False
    """Records of CMKs that are not destroyed, instead of objects: for the server itself."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """One instance has all of these terms."""

    terms: tuple[str, ...]
    instanced: bool
    """False where every instance of the attribute is numbered 0, as its terms alone tell all."""


@dataclass(frozen=True, slots=True)
class Between:
    """Some term lies between these two, both included."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class NoneBetween:
    """No term lies between these two, both included."""

    low: str
    high: str


Condition = AllOf | Between | NoneBetween


@dataclass(frozen=True, slots=True)
class Search:
    """A query made ready: all of it must hold."""

    tenant: str
    statuses: tuple[int, ...]
    uids: tuple[str, ...]
    conditions: tuple[Condition, ...]


def storage_status(obj: ManagedObject) -> StorageStatusMask:
    """On-line is what is neither destroyed nor archived (KMIP 2.1 §6.1.28). Recover removes the Archive
    Date. Records of CMKs are apart.
    """
    if obj.object_type == CMK:
        return DESTROYED_RECORDS if "Destroy Date" in obj.attributes else RECORDS
    if obj.state in DESTROYED_STATES or "Destroy Date" in obj.attributes:
        return StorageStatusMask.DESTROYED_STORAGE
    if "Archive Date" in obj.attributes:
        return StorageStatusMask.ARCHIVAL_STORAGE
    return StorageStatusMask.ON_LINE_STORAGE


def terms(obj: ManagedObject) -> frozenset[tuple[str, int]]:
    """All (term, instance) of an object; its Unique Identifier is no term."""
    found = set(_number_terms("Object Type", obj.object_type))
    if obj.state is not None:
        found.update(_number_terms("State", obj.state))
        due = obj.attributes.get(_NEXT_DATES.get(obj.state, ""))
        if due is not None:
            found.add((_term("State", _DUE, number(due)), 0))
    for key, instances in obj.attributes.items():
        value = instances[0].value
        if len(instances) == 1 and isinstance(value, int):
            found.update(_number_terms(key, value))
        elif _is_indexed(key):
            for position, attribute in enumerate(instances):
                instance = position if _instanced(attribute.value) else 0
                found.update([(_term(key, path, part), instance) for path, part in _parts(attribute.value)])
    return frozenset(found)


# typed: a mask and a number of the same value have different terms.
@lru_cache(maxsize=4096, typed=True)
def _number_terms(key: str, value: int) -> tuple[tuple[str, int], ...]:
    """The terms of a single number: kept, as most attributes are one, and most objects have the same ones."""
    if not _is_indexed(key):
        return ()
    return tuple((_term(key, path, part), 0) for path, part in _parts(value))


@lru_cache(maxsize=1024)
def _is_indexed(key: str) -> bool:
    spec = spec_of(key)
    return spec is not None and spec.searchable and key != "Unique Identifier"


def prepare(query: LocateQuery) -> Search:
    """Turn the request into conditions on terms.

    Raises KmsError: Invalid Field for an attribute that does not exist or cannot be asked so, Feature Not
    Supported for one that is not searched by.
    """
    grouped: dict[str, list[Attribute]] = {}
    uids: list[str] = []
    for attribute in query.conditions:
        _check(attribute)
        if attribute.key == "Unique Identifier":
            uids.append(str(attribute.value))
        else:
            grouped.setdefault(attribute.key, []).append(attribute)
    conditions: list[Condition] = []
    for key, wanted in grouped.items():
        if _all_dates(wanted):
            conditions.append(_dates(key, wanted))
        else:
            for attribute in wanted:
                conditions.extend(_value_conditions(key, attribute.value))
    if query.object_group_member is not None:
        conditions.extend(_group_member(query, grouped))
    if sum(len(c.terms) if isinstance(c, AllOf) else 1 for c in conditions) > MOST_CONDITIONS:
        raise invalid_field(f"Locate by more than {MOST_CONDITIONS} values")
    mask = query.storage_status_mask
    if mask is None:
        mask = StorageStatusMask.ON_LINE_STORAGE
    statuses = tuple(int(status) for status in StorageStatusMask if status & mask)
    if query.records:
        statuses = (int(RECORDS),)
    return Search(query.tenant, statuses, tuple(uids), tuple(conditions))


def overdue(tenant: str, now: int) -> Search:
    """The objects whose next date has come (`now` in POSIX seconds), while the state stored is still the one before.

    No client can ask for this; it is for those who write what lifecycle.advance says.
    """
    every = tuple(int(status) for status in StorageStatusMask)
    return Search(tenant, every, (), (Between(_term("State", _DUE, ""), _term("State", _DUE, number(now))),))


def matches(query: LocateQuery, obj: ManagedObject) -> bool:
    """Whether the query, apart from its Maximum and Offset Items, finds this object."""
    search = prepare(query)
    if obj.tenant != search.tenant or int(storage_status(obj)) not in search.statuses:
        return False
    if any(uid != obj.uid for uid in search.uids):
        return False
    if not search.conditions:
        return True
    present = terms(obj)
    return all(_holds(condition, present) for condition in search.conditions)


def _holds(condition: Condition, present: frozenset[tuple[str, int]]) -> bool:
    if isinstance(condition, AllOf):
        instances = {instance for term, instance in present if term == condition.terms[0]}
        return any(all((term, instance) in present for term in condition.terms) for instance in instances)
    inside = any(condition.low <= term <= condition.high for term, _ in present)
    return inside if isinstance(condition, Between) else not inside


def number(value: int) -> str:
    """A whole number as text in the same order; beyond 64 bits there is no order, only equality.

    Before its hexadecimal digits stands how many they are, less one; negative numbers count downwards.
    """
    if 0 <= value < _BIAS:
        digits = f"{value:x}"
        return f"n{len(digits) - 1:x}{digits}"
    if -_BIAS <= value < 0:
        length = len(f"{~value:x}")
        return f"m{16 - length:x}{(1 << 4 * length) + value:0{length}x}"
    return f"b{value:x}"


@lru_cache(maxsize=1024)
def _key(key: str) -> str:
    spec = ATTRIBUTES.get(key)
    if spec is not None:
        return f"{spec.tag:06X}"
    # A custom attribute's name is the client's: it must not reach into the separators.
    return key if len(key) <= LONGEST_TEXT and key.isprintable() else "#" + _digest(key.encode())


def _term(key: str, path: str, value: str) -> str:
    return f"{_key(key)}{SEPARATOR}{path}{SEPARATOR}{value}"


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


def _parts(value: Any) -> list[tuple[str, str]]:
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
    elif is_dataclass(value):
        structure: Any = type(value)
        for name in _field_names(structure):
            part = getattr(value, name)
            if part is not None:
                _collect(part, f"{path}/{name}" if path else name, found)
    else:
        raise TypeError(f"no attribute value: {type(value).__name__}")


@lru_cache(maxsize=256)
def _field_names(structure: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(structure))


def _instanced(value: Any) -> bool:
    """Whether a value has several terms that must be found together."""
    if isinstance(value, Item):
        return value.type is ItemType.STRUCTURE
    return isinstance(value, IntFlag) or not isinstance(value, (int, str, bytes))


def _value_conditions(key: str, value: Any) -> Iterator[Condition]:
    if key == "Usage Limits":
        yield from _usage_limits(value)
        return
    if isinstance(value, IntFlag):
        # Every bit asked for must be there, others may be: the whole value is not compared.
        wanted = [_term(key, "&", number(bit)) for bit in range(32) if value >> bit & 1]
    else:
        wanted = [_term(key, path, part) for path, part in _parts(value)]
    yield AllOf(tuple(dict.fromkeys(wanted)), _instanced(value)) if wanted else _present(key)


def _usage_limits(value: Any) -> Iterator[Condition]:
    """Objects with at least as much left (KMIP 1.4 §4.9); the unit is compared."""
    yield _present("Usage Limits")
    for path, part in _parts(value):
        term = _term("Usage Limits", path, part)
        if path == "usage_limits_unit":
            yield Between(term, term)
        else:
            yield Between(term, _term("Usage Limits", path, number(_BIAS - 1)))


def _present(key: str) -> Between:
    return Between(_key(key) + SEPARATOR, _key(key) + AFTER_SEPARATOR)


def _dates(key: str, wanted: list[Attribute]) -> Condition:
    """One date: equal. Two: between, limits included. The largest date is the same as an undefined one."""
    if len(wanted) > 2:
        raise invalid_field(f"more than two values of {key}")
    values = []
    path = ""
    for attribute in wanted:
        value = attribute.value
        if isinstance(value, Item):
            path = f":{value.type:X}"
            value = value.value
        values.append(value)
    low, high = min(values), max(values)
    if high != LARGEST_DATE:
        first, last = _term(key, path, number(low)), _term(key, path, number(high))
        return AllOf((first,), instanced=False) if low == high else Between(first, last)
    # Up to the end of time: those without the date belong, those with an earlier one do not.
    start = _term(key, path, "")
    return NoneBetween(start, _term(key, path, number(low - 1)) if low > -_BIAS else start)


def _group_member(query: LocateQuery, grouped: dict[str, list[Attribute]]) -> list[Condition]:
    """Which member is the default one is told by the order of the found ones, not by a condition."""
    if "Object Group" not in grouped:
        raise invalid_field("Object Group Member asks for an Object Group")
    if query.object_group_member == ObjectGroupMember.GROUP_MEMBER_DEFAULT:
        return []
    if query.object_group_member != ObjectGroupMember.GROUP_MEMBER_FRESH:
        raise invalid_field("unknown Object Group Member")
    return [AllOf((_term("Fresh", "", number(1)),), instanced=False)]


_DATES = frozenset({ItemType.DATE_TIME, ItemType.DATE_TIME_EXTENDED})
_DATE_KEYS = {
    name: kind
    for alias, kind in ((DateTime, ItemType.DATE_TIME), (DateTimeExtended, ItemType.DATE_TIME_EXTENDED))
    for name, spec in ATTRIBUTES.items()
    if spec.type is alias
}


def _all_dates(attributes: list[Attribute]) -> bool:
    kinds = {
        attribute.value.type if isinstance(attribute.value, Item) else _DATE_KEYS.get(attribute.key)
        for attribute in attributes
    }
    return len(kinds) == 1 and not kinds.isdisjoint(_DATES)


def _check(attribute: Attribute) -> None:
    spec = spec_of(attribute.key)
    if spec is None:
        raise invalid_field(f"no attribute {attribute.name!r}")
    if not spec.searchable:
        raise unsupported(f"Locate by {attribute.name}")
    if isinstance(attribute.value, Item) != (attribute.key not in ATTRIBUTES):
        raise invalid_field(f"not a value of {attribute.name}")
