"""Adjust Attribute: KMIP 2.1 §6.1.3: a number goes up, down or negative, a Boolean turns."""

from __future__ import annotations

from typing import Any

from kmsd.domain import attribute_rules
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject
from protocol.attributes import CUSTOM, Attribute, AttributeReference, spec_of
from protocol.enums import AdjustmentType, ResultReason
from protocol.names import Tag
from protocol.schema import Interval, LongInteger
from protocol.ttlv import RANGES, Item, ItemType

# Item types by the type that the table of attributes has; "numeric types and intervals, or ... Boolean".
_TYPES = {
    bool: ItemType.BOOLEAN,
    int: ItemType.INTEGER,
    Interval: ItemType.INTERVAL,
    LongInteger: ItemType.LONG_INTEGER,
}
_ADJUSTABLE = frozenset({*_TYPES.values(), ItemType.BIG_INTEGER})


def adjust(
    key: ManagedObject, reference: AttributeReference, how: AdjustmentType, by: Item | None, now: int
) -> ManagedObject:
    """The object with one attribute adjusted; what is not set counts as 0 or false, what `by` leaves out as 1.

    Raises KmsError: Invalid Field (unknown adjustment), Invalid Data Type (neither a number nor a Boolean, or of
    another type than `by`), Multi Valued Attribute, Read Only Attribute, Unsupported Attribute, Numeric Range.
    """
    spec = spec_of(reference.key)
    if spec is None:
        raise KmsError(ResultReason.UNSUPPORTED_ATTRIBUTE, f"unknown attribute {reference.name!r}")
    present = key.attributes.all(reference.key)
    if len(present) > 1:
        raise KmsError(ResultReason.MULTI_VALUED_ATTRIBUTE, f"{reference.name} has several values")
    custom = spec is CUSTOM
    if not custom and not (spec.modifiable_by_client if present else spec.set_by != "server"):
        raise KmsError(ResultReason.READ_ONLY_ATTRIBUTE, f"{spec.name} is the server's to set")
    value = present[0].value if present else None
    kind = _kind_of_custom(value, by) if custom else _TYPES.get(spec.type)
    if kind not in _ADJUSTABLE or (by is not None and by.type is not kind):
        raise KmsError(ResultReason.INVALID_DATA_TYPE, f"{reference.name} is not adjusted by such a value")
    before: Any = value.value if isinstance(value, Item) else value
    after = _adjusted(kind, int(before or 0), how, by)
    low, high = RANGES.get(kind, (after, after))
    if not low <= after <= high:
        raise KmsError(ResultReason.NUMERIC_RANGE, f"{reference.name} would leave its range")
    result = bool(after) if kind is ItemType.BOOLEAN else after
    changed = Item(Tag.ATTRIBUTE_VALUE, kind, result) if custom else result
    return attribute_rules.set_(key, Attribute(reference.name, changed, vendor=reference.vendor), now)


def _kind_of_custom(value: object, by: Item | None) -> ItemType | None:
    item = value if isinstance(value, Item) else by
    return item.type if item is not None else None


def _adjusted(kind: ItemType, before: int, how: AdjustmentType, by: Item | None) -> int:
    """`by` is of the same type, so its value is a number."""
    if how == AdjustmentType.NEGATE:
        return 1 - before if kind is ItemType.BOOLEAN else -before
    if how not in (AdjustmentType.INCREMENT, AdjustmentType.DECREMENT):
        raise invalid_field("unknown Adjustment Type")
    if kind is ItemType.BOOLEAN:
        raise KmsError(ResultReason.INVALID_DATA_TYPE, "a Boolean is negated, not counted")
    given: Any = by.value if by is not None else 1
    step = int(given)
    return before + step if how == AdjustmentType.INCREMENT else before - step
