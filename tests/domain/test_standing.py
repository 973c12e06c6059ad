"""A permit that is asked for again is the one that would be given anew: kmsd knows some of them by heart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from kmsd.domain import lifecycle, usage
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import KeyUse, Purpose, Standing
from protocol.attributes import Attribute
from protocol.enums import CryptographicAlgorithm, CryptographicUsageMask, State
from protocol.structures import CryptographicParameters
from tests.domain.objects import NOW, key

PARAMETERS = CryptographicParameters()
DATES = ("Activation Date", "Deactivation Date", "Process Start Date", "Protect Stop Date")
MOMENTS = st.integers(NOW - 3, NOW + 3)


@st.composite
def keys(draw: st.DrawFn) -> ManagedObject:
    dates = [Attribute(name, draw(MOMENTS)) for name in DATES if draw(st.booleans())]
    # Most of what is drawn has to be permitted once.
    made = key(draw(st.sampled_from([None, *State, *(State.PRE_ACTIVE, State.ACTIVE) * 4])), *dates)
    mask = draw(st.sampled_from([CryptographicUsageMask(0), *(CryptographicUsageMask(0xFFFFF),) * 7]))
    made = made.with_attributes(made.attributes.set("Cryptographic Usage Mask", mask))
    return made if draw(st.integers(0, 9)) else replace(made, material=None)


def permitted(stored: ManagedObject, purpose: Purpose, now: int, legacy: bool) -> KeyUse | None:
    try:
        return usage.permit(lifecycle.advance(stored, now), purpose, PARAMETERS, now, legacy=legacy)
    except KmsError:
        return None


@settings(max_examples=1000)
@given(keys(), st.sampled_from(Purpose), MOMENTS, MOMENTS, st.booleans(), st.booleans())
def test_a_known_permit_is_that_of_now(
    stored: ManagedObject, purpose: Purpose, then: int, now: int, legacy_then: bool, legacy: bool
) -> None:
    first = permitted(stored, purpose, then, legacy_then)
    if first is None:
        return
    tolerated = [stored.algorithm] if legacy and stored.algorithm is not None else []
    again = Standing.of(lifecycle.advance(stored, then), first).permit(lifecycle.advance(stored, now), now, tolerated)
    anew = permitted(stored, purpose, now, legacy)
    event("given" if anew else "refused")
    assert again == anew


def test_another_algorithm_that_is_tolerated_is_not_this_one() -> None:
    first = usage.permit(key(), Purpose.ENCRYPT, PARAMETERS, NOW)
    again = Standing.of(key(), first).permit(key(), NOW, [CryptographicAlgorithm.DES3])
    assert again is not None
    assert not again.legacy


@pytest.mark.parametrize("purpose", [Purpose.ENCRYPT, Purpose.DECRYPT, Purpose.EXPORT])
def test_a_known_permit_falls_with_the_state(purpose: Purpose) -> None:
    standing = Standing.of(key(), usage.permit(key(), purpose, PARAMETERS, NOW))
    assert standing.permit(key(State.DESTROYED), NOW, []) is None
