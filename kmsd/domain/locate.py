"""Locate: what a query asks for. KMIP 1.4 §4.9, 2.1 §6.1.28.

A query becomes conditions on terms, see kmsd.domain.terms, so that the store's SQL and `matches` cannot disagree
about a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from kmsd.domain.errors import invalid_field, unsupported
from kmsd.domain.objects import ManagedObject
from kmsd.domain.terms import (
    AFTER_SEPARATOR,
    BIAS,
    DUE,
    OF_KIND,
    SEPARATOR,
    UNINDEXED,
    Term,
    is_instanced,
    key_of,
    number,
    parts,
    term_of,
    terms,
)
from protocol.attributes import ATTRIBUTES, Attribute, spec_of
from protocol.enums import ObjectGroupMember, State, StorageStatusMask
from protocol.schema import DateTime, DateTimeExtended
from protocol.structures import Digest
from protocol.ttlv import Item, ItemType
from protocol.vendor import CMK

MOST_CONDITIONS = 32
"""Values that one query asks for, the fields of structures counted each: every one is a join."""
LARGEST_DATE = (1 << 63) - 1
"""KMIP 1.4 §4.9: a date of this value is the same as an undefined one."""

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
    """On the terms that are an object's own."""
    kind: tuple[Condition, ...] = ()
    """On those of its kind."""
    unindexed: tuple[Condition, ...] = ()
    """On what the store has no index of: to be held against the objects that fulfil all else."""
    within: bytes | None = None
    """Bytes that are somewhere in the attributes of each of these."""


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
    own: list[Condition] = []
    kind: list[Condition] = []
    unindexed: list[Condition] = []
    for key, wanted in grouped.items():
        conditions = kind if key in OF_KIND else unindexed if key in UNINDEXED else own
        if _all_dates(wanted):
            conditions.append(_dates(key, wanted))
        else:
            for attribute in wanted:
                conditions.extend(_value_conditions(key, attribute.value))
    if query.object_group_member is not None:
        kind.extend(_group_member(query, grouped))
    if sum(len(c.terms) if isinstance(c, AllOf) else 1 for c in own + kind + unindexed) > MOST_CONDITIONS:
        raise invalid_field(f"Locate by more than {MOST_CONDITIONS} values")
    mask = query.storage_status_mask
    if mask is None:
        mask = StorageStatusMask.ON_LINE_STORAGE
    statuses = tuple(int(status) for status in StorageStatusMask if status & mask)
    if query.records:
        statuses = (int(RECORDS),)
    asked = (attribute.value for key in UNINDEXED for attribute in grouped.get(key, ()))
    within = next((data for value in asked if (data := _bytes_of(value))), None)
    return Search(query.tenant, statuses, tuple(uids), tuple(own), tuple(kind), tuple(unindexed), within)


def _bytes_of(value: bytes | Digest) -> bytes | None:
    """What an attribute without an index has in common with its stored form."""
    return value if isinstance(value, bytes) else value.digest_value


def overdue(tenant: str, now: int) -> Search:
    """The objects whose next date has come (`now` in POSIX seconds), while the state stored is still the one before.

    No client can ask for this; it is for those who write what lifecycle.advance says.
    """
    every = tuple(int(status) for status in StorageStatusMask)
    return Search(tenant, every, (), (Between(term_of("State", DUE, ""), term_of("State", DUE, number(now))),))


def matches(query: LocateQuery, obj: ManagedObject) -> bool:
    """Whether the query, apart from its Maximum and Offset Items, finds this object."""
    return fulfils(prepare(query), obj)


def fulfils(search: Search, obj: ManagedObject) -> bool:
    """As `matches`, for who has made the query ready."""
    if obj.tenant != search.tenant or int(storage_status(obj)) not in search.statuses:
        return False
    if any(uid != obj.uid for uid in search.uids):
        return False
    of_own = search.conditions + search.unindexed
    if not of_own and not search.kind:
        return True
    own, kind = terms(obj)
    return all(_holds(condition, own) for condition in of_own) and all(
        _holds(condition, kind) for condition in search.kind
    )


def _holds(condition: Condition, present: frozenset[Term]) -> bool:
    if isinstance(condition, AllOf):
        instances = {instance for term, instance in present if term == condition.terms[0]}
        return any(all((term, instance) in present for term in condition.terms) for instance in instances)
    inside = any(condition.low <= term <= condition.high for term, _ in present)
    return inside if isinstance(condition, Between) else not inside


def _value_conditions(key: str, value: Any) -> Iterator[Condition]:
    if key == "Usage Limits":
        yield from _usage_limits(value)
        return
    if isinstance(value, IntFlag):
        # Every bit asked for must be there, others may be: the whole value is not compared.
        wanted = [term_of(key, "&", number(bit)) for bit in range(32) if value >> bit & 1]
    else:
        wanted = [term_of(key, path, part) for path, part in parts(value)]
    yield AllOf(tuple(dict.fromkeys(wanted)), is_instanced(value)) if wanted else _present(key)


def _usage_limits(value: Any) -> Iterator[Condition]:
    """Objects with at least as much left (KMIP 1.4 §4.9); the unit is compared."""
    yield _present("Usage Limits")
    for path, part in parts(value):
        term = term_of("Usage Limits", path, part)
        if path == "usage_limits_unit":
            yield Between(term, term)
        else:
            yield Between(term, term_of("Usage Limits", path, number(BIAS - 1)))


def _present(key: str) -> Between:
    return Between(key_of(key) + SEPARATOR, key_of(key) + AFTER_SEPARATOR)


def _dates(key: str, wanted: list[Attribute]) -> Condition:
    """One date: equal. Two: between, limits included. The largest date is the same as an undefined one."""
    if len(wanted) > 2:
        raise invalid_field(f"more than two values of {wanted[0].name}")
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
        first, last = term_of(key, path, number(low)), term_of(key, path, number(high))
        return AllOf((first,), instanced=False) if low == high else Between(first, last)
    # Up to the end of time: those without the date belong, those with an earlier one do not.
    start = term_of(key, path, "")
    return NoneBetween(start, term_of(key, path, number(low - 1)) if low > -BIAS else start)


def _group_member(query: LocateQuery, grouped: dict[str, list[Attribute]]) -> list[Condition]:
    """Which member is the default one is told by the order of the found ones, not by a condition."""
    if "Object Group" not in grouped:
        raise invalid_field("Object Group Member asks for an Object Group")
    if query.object_group_member == ObjectGroupMember.GROUP_MEMBER_DEFAULT:
        return []
    if query.object_group_member != ObjectGroupMember.GROUP_MEMBER_FRESH:
        raise invalid_field("unknown Object Group Member")
    return [AllOf((term_of("Fresh", "", number(1)),), instanced=False)]


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
