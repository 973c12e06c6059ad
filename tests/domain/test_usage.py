"""A key is used with a permit, and a permit only comes where state, mask, dates and limits allow it."""

from __future__ import annotations

import itertools

import pytest

from kmsd.domain import usage
from kmsd.domain.errors import KmsError
from kmsd.domain.usage import Purpose
from protocol.attributes import Attribute
from protocol.enums import CryptographicUsageMask, ResultReason, State, UsageLimitsUnit
from protocol.structures import CryptographicParameters, UsageLimits
from tests.domain.objects import NOW, key

EVERY_USE = Attribute("Cryptographic Usage Mask", CryptographicUsageMask(0xFFFFF))
PARAMETERS = CryptographicParameters()


def usable(state: State, *attributes: Attribute) -> object:
    made = key(state, *attributes)
    return made.with_attributes(made.attributes.put(EVERY_USE))


@pytest.mark.parametrize(("purpose", "state"), list(itertools.product(Purpose, State)))
def test_what_each_state_allows(purpose: Purpose, state: State) -> None:
    protects = purpose in usage.PROTECTING
    allowed = {
        State.PRE_ACTIVE: purpose is Purpose.EXPORT,
        State.ACTIVE: True,
        State.DEACTIVATED: not protects,
        State.COMPROMISED: not protects,
        State.DESTROYED: False,
        State.DESTROYED_COMPROMISED: False,
    }[state]
    if allowed:
        assert usage.permit(usable(state), purpose, PARAMETERS, NOW).purpose is purpose  # type: ignore[arg-type]
    else:
        with pytest.raises(KmsError) as refused:
            usage.permit(usable(state), purpose, PARAMETERS, NOW)  # type: ignore[arg-type]
        assert refused.value.reason in (ResultReason.WRONG_KEY_LIFECYCLE_STATE, ResultReason.OBJECT_DESTROYED)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.EXPORT])
def test_a_use_needs_its_bit_in_the_mask(purpose: Purpose) -> None:
    made = key()
    others = CryptographicUsageMask(0xFFFFF & ~purpose)
    without = made.with_attributes(made.attributes.set("Cryptographic Usage Mask", others))
    with pytest.raises(KmsError) as refused:
        usage.permit(without, purpose, PARAMETERS, NOW)
    assert refused.value.reason == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK


def test_protection_stops_at_the_protect_stop_date_and_processing_goes_on() -> None:
    stopped = usable(State.ACTIVE, Attribute("Protect Stop Date", NOW))
    with pytest.raises(KmsError) as refused:
        usage.permit(stopped, Purpose.ENCRYPT, PARAMETERS, NOW)  # type: ignore[arg-type]
    assert refused.value.reason == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert usage.permit(stopped, Purpose.DECRYPT, PARAMETERS, NOW)  # type: ignore[arg-type]


def test_processing_starts_at_the_process_start_date() -> None:
    early = usable(State.ACTIVE, Attribute("Process Start Date", NOW + 1))
    with pytest.raises(KmsError) as refused:
        usage.permit(early, Purpose.DECRYPT, PARAMETERS, NOW)  # type: ignore[arg-type]
    assert refused.value.reason == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert usage.permit(early, Purpose.DECRYPT, PARAMETERS, NOW + 1)  # type: ignore[arg-type]


def test_an_object_without_a_value_is_used_for_nothing() -> None:
    with pytest.raises(KmsError) as refused:
        usage.permit(key(material=None), Purpose.ENCRYPT, PARAMETERS, NOW)
    assert refused.value.reason == ResultReason.KEY_VALUE_NOT_PRESENT


@pytest.mark.parametrize(
    ("unit", "count", "size", "left"),
    [
        (UsageLimitsUnit.BYTE, 100, 100, 0),
        (UsageLimitsUnit.BYTE, 100, 101, None),
        (UsageLimitsUnit.OBJECT, 1, 10_000, 0),
        (UsageLimitsUnit.OBJECT, 0, 1, None),
    ],
)
def test_usage_limits_count_down_and_end(unit: UsageLimitsUnit, count: int, size: int, left: int | None) -> None:
    limits = UsageLimits(usage_limits_total=100, usage_limits_count=count, usage_limits_unit=unit)
    limited = key(State.ACTIVE, Attribute("Usage Limits", limits))
    if left is None:
        with pytest.raises(KmsError) as refused:
            usage.charge(limited, size)
        assert refused.value.reason == ResultReason.PERMISSION_DENIED
    else:
        assert usage.charge(limited, size).attributes.get("Usage Limits").usage_limits_count == left
