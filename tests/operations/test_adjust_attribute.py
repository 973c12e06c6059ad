"""Adjust Attribute: numbers go up, down and negative, Booleans turn; all else is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, AttributeReference
from protocol.enums import AdjustmentType, ResultReason
from protocol.names import Tag
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.adjust_attribute import AdjustAttributeRequest
from protocol.ttlv import Item, ItemType
from protocol.versions import V2_1
from tests.operations.conftest import Caller
from tests.operations.requests import attributes, create, shown

INCREMENT, DECREMENT, NEGATE = AdjustmentType.INCREMENT, AdjustmentType.DECREMENT, AdjustmentType.NEGATE
NUMBER = AttributeReference("count", "x")


def by(value: int, kind: ItemType = ItemType.INTEGER) -> Item:
    return Item(Tag.ADJUSTMENT_VALUE, kind, value)


def custom(value: Any, kind: ItemType = ItemType.INTEGER) -> Attribute:
    return Attribute("count", Item(Tag.ATTRIBUTE_VALUE, kind, value), vendor="x")


def adjust(uid: str, reference: AttributeReference, how: AdjustmentType, value: Item | None = None) -> Any:
    return AdjustAttributeRequest(
        unique_identifier=uid, attribute_reference=reference, adjustment_type=how, adjustment_value=value
    )


@pytest.fixture
def app(app: Caller) -> Caller:
    return app.at(V2_1)


@pytest.fixture
async def uid(app: Caller) -> str:
    return str((await app.call(create())).unique_identifier)


async def value(app: Caller, uid: str, key: str = "x-count") -> Any:
    found = shown(await app.call(attributes(uid)))[key]
    return found.value if isinstance(found, Item) else found


async def test_a_number_is_counted_from_0_and_by_1_unless_told_otherwise(app: Caller, uid: str) -> None:
    for how, step, after in (
        (INCREMENT, by(5), 5),
        (INCREMENT, None, 6),
        (DECREMENT, by(10), -4),
        (DECREMENT, None, -5),
        (NEGATE, None, 5),
    ):
        assert (await app.call(adjust(uid, NUMBER, how, step))).unique_identifier == uid
        assert await value(app, uid) == after


async def test_a_boolean_is_negated_and_starts_false(app: Caller, uid: str) -> None:
    reference = AttributeReference("Quantum Safe")
    await app.call(adjust(uid, reference, NEGATE))
    assert await value(app, uid, "Quantum Safe") is True
    await app.call(adjust(uid, reference, NEGATE))
    assert await value(app, uid, "Quantum Safe") is False
    assert await app.refused(adjust(uid, reference, INCREMENT)) == ResultReason.INVALID_DATA_TYPE


async def test_an_interval_goes_up(app: Caller, uid: str) -> None:
    reference = AttributeReference("Protection Period")
    await app.call(adjust(uid, reference, INCREMENT, by(60, ItemType.INTERVAL)))
    assert await value(app, uid, "Protection Period") == 60
    below = adjust(uid, reference, DECREMENT, by(61, ItemType.INTERVAL))
    assert await app.refused(below) == ResultReason.NUMERIC_RANGE


@pytest.mark.parametrize(
    ("reference", "step", "reason"),
    [
        (AttributeReference("Description"), None, ResultReason.INVALID_DATA_TYPE),
        (AttributeReference("Cryptographic Length"), None, ResultReason.READ_ONLY_ATTRIBUTE),
        (AttributeReference("Initial Date"), None, ResultReason.READ_ONLY_ATTRIBUTE),
        (NUMBER, None, ResultReason.INVALID_DATA_TYPE),
    ],
)
async def test_what_is_no_number_is_refused(
    app: Caller, uid: str, reference: AttributeReference, step: Item | None, reason: ResultReason
) -> None:
    assert await app.refused(adjust(uid, reference, INCREMENT, step)) == reason


async def test_a_value_of_another_type_several_values_and_an_overflow_are_refused(app: Caller, uid: str) -> None:
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=custom((1 << 31) - 1)))
    assert await app.refused(adjust(uid, NUMBER, INCREMENT)) == ResultReason.NUMERIC_RANGE
    long = by(1, ItemType.LONG_INTEGER)
    assert await app.refused(adjust(uid, NUMBER, DECREMENT, long)) == ResultReason.INVALID_DATA_TYPE
    assert await app.refused(adjust(uid, NUMBER, AdjustmentType(9))) == ResultReason.INVALID_FIELD
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=custom(7)))
    assert await app.refused(adjust(uid, NUMBER, INCREMENT)) == ResultReason.MULTI_VALUED_ATTRIBUTE
