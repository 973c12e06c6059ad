"""The life of an object: KMIP 1.4 §3.22, one table of permitted transitions, and the operations that cause them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto

from kmsd.domain.errors import KmsError, wrong_state
from kmsd.domain.objects import ManagedObject
from protocol.attributes import AttributeReference
from protocol.enums import ObjectType, ResultReason, RevocationReasonCode, State
from protocol.structures import RevocationReason


class Event(Enum):
    """What moves an object from one state to the next."""

    ACTIVATE = auto()
    DEACTIVATE = auto()
    COMPROMISE = auto()
    DESTROY = auto()


# "Only the transitions described above are permitted" (KMIP 1.4 §3.22).
TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.PRE_ACTIVE, Event.ACTIVATE): State.ACTIVE,
    (State.PRE_ACTIVE, Event.COMPROMISE): State.COMPROMISED,
    (State.PRE_ACTIVE, Event.DESTROY): State.DESTROYED,
    (State.ACTIVE, Event.DEACTIVATE): State.DEACTIVATED,
    (State.ACTIVE, Event.COMPROMISE): State.COMPROMISED,
    (State.DEACTIVATED, Event.COMPROMISE): State.COMPROMISED,
    (State.DEACTIVATED, Event.DESTROY): State.DESTROYED,
    (State.COMPROMISED, Event.DESTROY): State.DESTROYED_COMPROMISED,
    (State.DESTROYED, Event.COMPROMISE): State.DESTROYED_COMPROMISED,
}

STATELESS = frozenset({ObjectType.OPAQUE_OBJECT, ObjectType.TEMPLATE})
"""State "applies to all Cryptographic Objects" (KMIP 1.4 §3.22): these two are none."""

COMPROMISING = frozenset({RevocationReasonCode.KEY_COMPROMISE, RevocationReasonCode.CA_COMPROMISE})

COMPROMISED = frozenset({State.COMPROMISED, State.DESTROYED_COMPROMISED})

REGISTERED = AttributeReference("Registered", "-")
"""Where an object that was registered wrapped is kept as it came; nobody sees it, and it goes with the material."""

DESTROYED = frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED})


def _move(key: ManagedObject, event: Event) -> ManagedObject:
    state = key.state
    after = TRANSITIONS.get((state, event)) if state is not None else None
    if after is None:
        if state in DESTROYED:
            raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
        name = state.name.replace("_", "-").title() if state is not None else "without a state"
        raise wrong_state(f"the object is {name}")
    return replace(key, state=after)


def first_state(object_type: ObjectType) -> State | None:
    """The state of a new object; its Activation Date may have come already: see `advance` (KMIP 1.4 §3.22, 1)."""
    return None if object_type in STATELESS else State.PRE_ACTIVE


def advance(key: ManagedObject, now: int) -> ManagedObject:
    """The object as it is at `now` (POSIX seconds): reached Activation and Deactivation Dates take effect
    (KMIP 1.4 §3.22, 4 and 6)."""
    if key.state is State.PRE_ACTIVE:
        activation = key.attributes.get("Activation Date")
        if activation is not None and activation <= now:
            key = replace(key, state=State.ACTIVE)
    if key.state is State.ACTIVE:
        deactivation = key.attributes.get("Deactivation Date")
        if deactivation is not None and deactivation <= now:
            key = replace(key, state=State.DEACTIVATED)
    return key


def activate(key: ManagedObject, now: int) -> ManagedObject:
    """Pre-Active to Active; "the server SHALL set the Activation Date to the time the Activate operation is
    received" (KMIP 1.4 §3.22, 4). Raises KmsError Illegal Operation, Wrong Key Lifecycle State."""
    if key.state is None:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not activated")
    return _move(key, Event.ACTIVATE).set("Activation Date", now)


def revoke(key: ManagedObject, reason: RevocationReason, occurred: int | None, now: int) -> ManagedObject:
    """Deactivate, or mark as compromised (KMIP 1.4 §4.21).

    Revoking what is compromised or deactivated already, for a reason of the same kind, only records the reason.
    Raises KmsError: Invalid Field (unknown reason, a Compromise Occurrence Date in the future), Wrong Key
    Lifecycle State.
    """
    code = reason.revocation_reason_code
    if not code.known:
        raise KmsError(ResultReason.INVALID_FIELD, "unknown Revocation Reason Code")
    if key.state is None:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not revoked")
    if code in COMPROMISING:
        if occurred is not None and occurred > now:
            raise KmsError(ResultReason.INVALID_FIELD, "the Compromise Occurrence Date is in the future")
        key = _move(key, Event.COMPROMISE).set("Compromise Date", now)
        # "If the Compromise Occurrence Date is not specified, then this attribute SHALL be set to the Initial
        # Date" (KMIP 1.4 §3.29 as a SHOULD for the server's best estimate).
        key = key.set("Compromise Occurrence Date", occurred or key.attributes.get("Initial Date"))
    else:
        key = _move(key, Event.DEACTIVATE).set("Deactivation Date", now)
    return key.set("Revocation Reason", reason)


def destroy(key: ManagedObject, now: int) -> ManagedObject:
    """Drop the material and keep the metadata (KMIP 1.4 §4.22). Names are given up for new objects.

    Raises KmsError Wrong Key Lifecycle State for an Active object, Object Destroyed the second time.
    """
    if key.state is not None:
        key = _move(key, Event.DESTROY)
    elif is_destroyed(key):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    attributes = key.attributes.set("Destroy Date", now).remove(REGISTERED.key)
    return replace(key, attributes=attributes, material=None)


def archive(key: ManagedObject, now: int) -> ManagedObject:
    """Off-line from now on (KMIP 1.4 §3.32, §4.22); there is no slower storage, so it is a mark.

    Raises KmsError Object Archived the second time, Object Destroyed.
    """
    if is_destroyed(key):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    if is_archived(key):
        raise KmsError(ResultReason.OBJECT_ARCHIVED, "the object is archived")
    return key.set("Archive Date", now)


def recover(key: ManagedObject) -> ManagedObject:
    """On-line again (KMIP 1.4 §4.23)."""
    return key.set("Archive Date", None)


def is_destroyed(key: ManagedObject) -> bool:
    return "Destroy Date" in key.attributes


def is_archived(key: ManagedObject) -> bool:
    return "Archive Date" in key.attributes
