"""The permit: no provider uses a key without one, and only `permit` makes one.

KMIP 1.4 §3.22 (State), §3.19 (Cryptographic Usage Mask), §3.25-3.27 (dates), §3.21 (Usage Limits).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NamedTuple

from kmsd.domain.errors import KmsError, wrong_state
from kmsd.domain.objects import ManagedObject, Material
from protocol.enums import (
    CryptographicAlgorithm,
    ObjectType,
    RecommendedCurve,
    ResultReason,
    State,
    UsageLimitsUnit,
)
from protocol.enums import (
    CryptographicUsageMask as Mask,
)
from protocol.structures import CryptographicParameters


class Purpose(IntEnum):
    """What a key is used for; the value is the bit that its Cryptographic Usage Mask must hold."""

    ENCRYPT = Mask.ENCRYPT
    DECRYPT = Mask.DECRYPT
    SIGN = Mask.SIGN
    VERIFY = Mask.VERIFY
    MAC_GENERATE = Mask.MAC_GENERATE
    MAC_VERIFY = Mask.MAC_VERIFY
    WRAP = Mask.WRAP_KEY
    UNWRAP = Mask.UNWRAP_KEY
    DERIVE = Mask.DERIVE_KEY
    CERTIFY = Mask.CERTIFICATE_SIGN
    EXPORT = 0
    """Handing out the material: decided by policy, Sensitive and Extractable, not by the usage mask."""


PROTECTING = frozenset(
    {Purpose.ENCRYPT, Purpose.SIGN, Purpose.MAC_GENERATE, Purpose.WRAP, Purpose.DERIVE, Purpose.CERTIFY}
)
"""Uses that apply protection: refused outside Active and after the Protect Stop Date (KMIP 1.4 §3.26)."""

_DESTROYED = frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED})
_ACTIVE: frozenset[State | None] = frozenset({State.ACTIVE})
# Deactivated and Compromised objects process what was protected before, they protect nothing new
# (KMIP 1.4 §3.22: "only be used to process cryptographically-protected information").
_PROCESSING: frozenset[State | None] = frozenset({State.ACTIVE, State.DEACTIVATED, State.COMPROMISED})
_STATES: dict[Purpose, frozenset[State | None]] = {
    **{purpose: _ACTIVE if purpose in PROTECTING else _PROCESSING for purpose in Purpose},
    Purpose.EXPORT: frozenset({None, *State}) - _DESTROYED,
}


@dataclass(slots=True)
class KeyUse:
    """A permit to use one key for one purpose with these parameters; not frozen, which would double what it costs."""

    tenant: Final[str]
    uid: Final[str]
    object_type: Final[ObjectType]
    purpose: Final[Purpose]
    algorithm: Final[CryptographicAlgorithm | None]
    length: Final[int]
    curve: Final[RecommendedCurve | None]
    parameters: Final[CryptographicParameters]
    material: Final[Material]
    legacy: Final[bool] = False
    """Whether the tenant lets an algorithm encrypt that by now only decrypts."""


def permit(
    key: ManagedObject, purpose: Purpose, parameters: CryptographicParameters, now: int, *, legacy: bool = False
) -> KeyUse:
    """Check state, usage mask and dates, and give the permit; `now` in POSIX seconds. `legacy` as in the permit.

    Raises KmsError: Wrong Key Lifecycle State, Incompatible Cryptographic Usage Mask, Object Destroyed,
    Key Value Not Present.
    """
    state, material = key.state, key.material
    if state in _DESTROYED:
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    if purpose is not Purpose.EXPORT:
        if not key.usage_mask & purpose:
            raise KmsError(
                ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
                f"the Cryptographic Usage Mask does not allow {purpose.name.replace('_', ' ').title()}",
            )
        if state not in _STATES[purpose]:
            name = state.name.replace("_", "-").title() if state is not None else "stateless"
            raise wrong_state(f"the object is {name}")
        _check_dates(key, purpose in PROTECTING, now)
    if material is None:
        raise KmsError(ResultReason.KEY_VALUE_NOT_PRESENT, "the object has no key value")
    return KeyUse(
        tenant=key.tenant,
        uid=key.uid,
        object_type=key.object_type,
        purpose=purpose,
        algorithm=key.algorithm,
        length=key.length,
        curve=key.curve,
        parameters=parameters,
        material=material,
        legacy=legacy,
    )


class Standing(NamedTuple):
    """Of a permit that was given, what is the same for as long as the object is at its version."""

    purpose: Purpose
    algorithm: CryptographicAlgorithm | None
    length: int
    curve: RecommendedCurve | None
    parameters: CryptographicParameters
    states: frozenset[State | None]
    """In which the object may be used so."""
    start: int | None
    """The Process Start Date, where the use processes."""
    stop: int | None
    """The Protect Stop Date, where it protects."""

    @classmethod
    def of(cls, key: ManagedObject, given: KeyUse) -> Standing:
        purpose, dates = given.purpose, key.attributes
        start = stop = None
        if purpose in PROTECTING:
            stop = dates.get("Protect Stop Date")
        elif purpose is not Purpose.EXPORT:
            start = dates.get("Process Start Date")
        states = _STATES[purpose]
        return cls(purpose, given.algorithm, given.length, given.curve, given.parameters, states, start, stop)

    def permit(self, key: ManagedObject, now: int, tolerated: Collection[CryptographicAlgorithm]) -> KeyUse | None:
        """The permit once more, for the key at the same version; None where `permit` is to say what is against it.

        `tolerated`: algorithms that by now should only decrypt, and that the tenant lets encrypt.
        """
        purpose, algorithm, length, curve, parameters, states, start, stop = self
        if key.state not in states or (start is not None and now < start) or (stop is not None and now >= stop):
            return None
        if key.material is None:
            return None
        return KeyUse(
            key.tenant,
            key.uid,
            key.object_type,
            purpose,
            algorithm,
            length,
            curve,
            parameters,
            key.material,
            bool(tolerated) and algorithm in tolerated,
        )


def _check_dates(key: ManagedObject, protecting: bool, now: int) -> None:
    """KMIP 1.4 §3.25: not used for processing before Process Start Date; §3.26: not for protection after the
    Protect Stop Date."""
    if protecting:
        stop = key.attributes.get("Protect Stop Date")
        if stop is not None and now >= stop:
            raise wrong_state("the Protect Stop Date has passed")
    else:
        start = key.attributes.get("Process Start Date")
        if start is not None and now < start:
            raise wrong_state("the Process Start Date has not come")


_PROTECTING_BITS = sum(PROTECTING)


def allocate(key: ManagedObject, count: int, now: int) -> ManagedObject:
    """The key with `count` of its Usage Limits Units handed to a client (KMIP 1.4 §4.18).

    Raises KmsError: Invalid Field (a count below 1), Attribute Not Found (no Usage Limits), Wrong Key Lifecycle State
    and Incompatible Cryptographic Usage Mask (the key protects nothing, or not now), Usage Limit Exceeded.
    """
    if count < 1:
        raise KmsError(ResultReason.INVALID_FIELD, "the Usage Limits Count to allocate is at least 1")
    limits = key.attributes.get("Usage Limits")
    if limits is None:
        raise KmsError(ResultReason.ATTRIBUTE_NOT_FOUND, "the object has no Usage Limits")
    if not key.usage_mask & _PROTECTING_BITS:
        raise KmsError(ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "the object protects nothing")
    if key.state not in _ACTIVE:
        raise wrong_state("the object is not Active")
    _check_dates(key, True, now)
    left = (limits.usage_limits_count or 0) - count
    if left < 0:
        raise KmsError(ResultReason.USAGE_LIMIT_EXCEEDED, "the Usage Limits leave less than this")
    return key.set("Usage Limits", replace(limits, usage_limits_count=left))


def charge(key: ManagedObject, size: int) -> ManagedObject:
    """The key with its Usage Limits Count lowered by this use: `size` bytes, or one object (KMIP 1.4 §3.21).

    Raises KmsError Permission Denied: the reason of 1.x, and in 2.1 that of the mandatory profile case CS-BC-M-7.
    """
    limits = key.attributes.get("Usage Limits")
    cost = size if limits.usage_limits_unit == UsageLimitsUnit.BYTE else 1
    left = (limits.usage_limits_count or 0) - cost
    if left < 0:
        raise KmsError(ResultReason.PERMISSION_DENIED, "the Usage Limits are used up")
    return key.set("Usage Limits", replace(limits, usage_limits_count=left))
