"""Every cell of the state machine, and what moves an object besides requests (KMIP 1.4 §3.22)."""

from __future__ import annotations

import itertools

import pytest

from kmsd.domain import lifecycle
from kmsd.domain.errors import KmsError
from protocol.attributes import Attribute
from protocol.enums import ObjectType, ResultReason, RevocationReasonCode, State
from protocol.structures import RevocationReason
from tests.domain.objects import NOW, key

ALLOWED = {
    ("activate", State.PRE_ACTIVE): State.ACTIVE,
    ("deactivate", State.ACTIVE): State.DEACTIVATED,
    ("compromise", State.PRE_ACTIVE): State.COMPROMISED,
    ("compromise", State.ACTIVE): State.COMPROMISED,
    ("compromise", State.DEACTIVATED): State.COMPROMISED,
    ("compromise", State.DESTROYED): State.DESTROYED_COMPROMISED,
    ("destroy", State.PRE_ACTIVE): State.DESTROYED,
    ("destroy", State.DEACTIVATED): State.DESTROYED,
    ("destroy", State.COMPROMISED): State.DESTROYED_COMPROMISED,
}


def reason(code: RevocationReasonCode) -> RevocationReason:
    return RevocationReason(revocation_reason_code=code)


EVENTS = {
    "activate": lambda k: lifecycle.activate(k, NOW),
    "deactivate": lambda k: lifecycle.revoke(k, reason(RevocationReasonCode.CESSATION_OF_OPERATION), None, NOW),
    "compromise": lambda k: lifecycle.revoke(k, reason(RevocationReasonCode.KEY_COMPROMISE), None, NOW),
    "destroy": lambda k: lifecycle.destroy(k, NOW),
}


@pytest.mark.parametrize(("event", "state"), list(itertools.product(EVENTS, State)))
def test_only_the_transitions_of_the_specification_happen(event: str, state: State) -> None:
    after = ALLOWED.get((event, state))
    if after is not None:
        assert EVENTS[event](key(state)).state == after
        return
    with pytest.raises(KmsError) as refused:
        EVENTS[event](key(state))
    destroyed = state in (State.DESTROYED, State.DESTROYED_COMPROMISED)
    assert refused.value.reason == (
        ResultReason.OBJECT_DESTROYED if destroyed else ResultReason.WRONG_KEY_LIFECYCLE_STATE
    )


def test_activation_sets_the_activation_date_to_now() -> None:
    later = Attribute("Activation Date", NOW + 500)
    assert lifecycle.activate(key(State.PRE_ACTIVE, later), NOW).attributes.get("Activation Date") == NOW


def test_revoking_for_compromise_keeps_the_material_and_records_both_dates() -> None:
    revoked = lifecycle.revoke(key(), reason(RevocationReasonCode.KEY_COMPROMISE), NOW - 10, NOW)
    assert revoked.material is not None
    assert revoked.attributes.get("Compromise Date") == NOW
    assert revoked.attributes.get("Compromise Occurrence Date") == NOW - 10


def test_a_compromise_cannot_have_occurred_in_the_future() -> None:
    with pytest.raises(KmsError) as refused:
        lifecycle.revoke(key(), reason(RevocationReasonCode.KEY_COMPROMISE), NOW + 1, NOW)
    assert refused.value.reason == ResultReason.INVALID_FIELD


def test_an_unknown_revocation_reason_is_refused() -> None:
    with pytest.raises(KmsError) as refused:
        lifecycle.revoke(key(), reason(RevocationReasonCode(0x80000001)), None, NOW)
    assert refused.value.reason == ResultReason.INVALID_FIELD


def test_destroying_drops_the_material_and_keeps_the_metadata() -> None:
    destroyed = lifecycle.destroy(key(State.DEACTIVATED), NOW)
    assert destroyed.material is None
    assert destroyed.length == 256
    assert lifecycle.is_destroyed(destroyed)


@pytest.mark.parametrize(
    ("state", "dates", "after"),
    [
        (State.PRE_ACTIVE, {"Activation Date": NOW}, State.ACTIVE),
        (State.PRE_ACTIVE, {"Activation Date": NOW + 1}, State.PRE_ACTIVE),
        (State.PRE_ACTIVE, {"Activation Date": NOW - 2, "Deactivation Date": NOW - 1}, State.DEACTIVATED),
        (State.ACTIVE, {"Deactivation Date": NOW}, State.DEACTIVATED),
        (State.ACTIVE, {"Deactivation Date": NOW + 1}, State.ACTIVE),
        (State.PRE_ACTIVE, {"Deactivation Date": NOW - 1}, State.PRE_ACTIVE),
        (State.COMPROMISED, {"Deactivation Date": NOW - 1}, State.COMPROMISED),
    ],
)
def test_dates_that_have_come_take_effect_by_themselves(state: State, dates: dict[str, int], after: State) -> None:
    attributes = [Attribute(name, value) for name, value in dates.items()]
    assert lifecycle.advance(key(state, *attributes), NOW).state == after


def test_an_opaque_object_has_no_state_and_is_destroyed_all_the_same() -> None:
    opaque = key(lifecycle.first_state(ObjectType.OPAQUE_OBJECT), object_type=ObjectType.OPAQUE_OBJECT)
    assert opaque.state is None
    with pytest.raises(KmsError):
        lifecycle.activate(opaque, NOW)
    destroyed = lifecycle.destroy(opaque, NOW)
    with pytest.raises(KmsError) as refused:
        lifecycle.destroy(destroyed, NOW)
    assert refused.value.reason == ResultReason.OBJECT_DESTROYED
