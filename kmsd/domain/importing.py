"""Imported material: which key it is wrapped under, that it is the same each time, and that it comes and goes.

A wrapping key is the private half of a pair that is made for one import, an ordinary object that remembers which CMK it
is for, in which form, and until when. It is destroyed with the import. Its identifier is the import token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from kmsd.domain import lifecycle
from kmsd.domain.attribute_rules import INTERNAL_VENDOR
from kmsd.domain.cmk import Cmk, Origin
from kmsd.domain.errors import KmsError, invalid_field, unsupported
from kmsd.domain.key_specs import KEY_SPECS, KeySpec
from kmsd.domain.objects import ManagedObject
from kmsd.domain.transport import TRANSPORTS, Transport
from protocol.attributes import Attribute, AttributeReference
from protocol.enums import ResultReason, RevocationReasonCode
from protocol.names import Tag
from protocol.structures import RevocationReason
from protocol.ttlv import Item, ItemType

TOKEN_LIFETIME: Final = 24 * 3600
"""Seconds."""
MAXIMUM_TOKENS: Final = 16
"""Of one CMK at a time."""


def _internal(name: str, type_: ItemType, value: str | int) -> Attribute:
    return Attribute(name, Item(Tag.ATTRIBUTE_VALUE, type_, value), vendor=INTERNAL_VENDOR)


def for_cmk(uid: str) -> Attribute:
    """What the wrapping keys of a CMK are found by."""
    return _internal("Import For", ItemType.TEXT_STRING, uid)


@dataclass(frozen=True, slots=True)
class ImportToken:
    """What a wrapping key remembers."""

    cmk: str
    transport: Transport
    spec: KeySpec
    """Of the wrapping key."""
    expires: int
    """POSIX seconds."""


_ALGORITHM: Final = "Import Algorithm"
_SPEC: Final = "Import Spec"
_EXPIRES: Final = "Import Expires"


def as_wrapping_key(key: ManagedObject, token: ImportToken) -> ManagedObject:
    attributes = key.attributes
    for attribute in (
        for_cmk(token.cmk),
        _internal(_ALGORITHM, ItemType.TEXT_STRING, token.transport.name),
        _internal(_SPEC, ItemType.TEXT_STRING, token.spec.name),
        _internal(_EXPIRES, ItemType.DATE_TIME, token.expires),
    ):
        attributes = attributes.put(attribute)
    return key.with_attributes(attributes)


def token_of(key: ManagedObject | None, cmk: str, now: int) -> ImportToken:
    """The token that a wrapping key stands for. Raises KmsError Invalid Ticket: none, another CMK's, used, expired."""
    found = {
        name: item.value
        for name in ("Import For", _ALGORITHM, _SPEC, _EXPIRES)
        if key is not None
        and (item := key.attributes.get(AttributeReference(name, INTERNAL_VENDOR).key)) is not None
    }
    if key is None or found.get("Import For") != cmk or key.material is None:
        raise KmsError(ResultReason.INVALID_TICKET, "the import token is none of this key, or has been used")
    token = ImportToken(cmk, TRANSPORTS[found[_ALGORITHM]], KEY_SPECS[found[_SPEC]], found[_EXPIRES])
    if token.expires <= now:
        raise KmsError(ResultReason.INVALID_TICKET, "the import token has expired")
    return token


def is_expired(key: ManagedObject, now: int) -> bool:
    item = key.attributes.get(AttributeReference(_EXPIRES, INTERNAL_VENDOR).key)
    return item is not None and item.value <= now


def used(key: ManagedObject, now: int) -> ManagedObject:
    """The wrapping key once it has served, or nobody can use it any more."""
    reason = RevocationReason(revocation_reason_code=RevocationReasonCode.CESSATION_OF_OPERATION)
    return lifecycle.destroy(lifecycle.revoke(key, reason, None, now), now)


def check_origin(cmk: Cmk) -> None:
    """Raise KmsError Feature Not Supported for a CMK whose material is made here."""
    if cmk.origin is not Origin.EXTERNAL:
        raise unsupported("only a key of the origin EXTERNAL takes and gives up imported material")


def expiry(asked: int | None, now: int) -> int | None:
    """When the material expires; None and 0 are never. Raises KmsError Invalid Field for a time that has passed."""
    if not asked:
        return None
    if asked <= now:
        raise invalid_field("the material would have expired already")
    return asked


def not_taken() -> KmsError:
    """The one answer to what does not open, is no such key, or is not what was imported before."""
    return KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "the key material does not open, or is not this key's")


def imported(cmk: Cmk, version: str, digest: bytes, expires: int | None) -> Cmk:
    """The CMK with its material; a disabled one stays disabled."""
    return replace(
        cmk,
        primary=version,
        versions=1,
        has_material=True,
        material_digest=digest,
        material_expires=expires,
    )


def without_material(cmk: Cmk, version: ManagedObject | None) -> tuple[Cmk, ManagedObject | None]:
    """(CMK, version) once the material is gone: only the same may come back. What is destroyed in the provider is the
    caller's business."""
    cmk = replace(cmk, has_material=False, material_expires=None)
    if version is None:
        return cmk, None
    return cmk, replace(version.set("Key Value Present", False), material=None)
