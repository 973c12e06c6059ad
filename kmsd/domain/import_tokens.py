"""Import tokens: under which key material is brought, for which CMK, in which form and until when.

A wrapping key is the private half of a pair that is made for one import, an ordinary object that remembers all that. It
is destroyed with the import. Its identifier is the import token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kmsd.domain import lifecycle
from kmsd.domain.attribute_rules import INTERNAL_VENDOR
from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.key_specs import KEY_SPECS, KeySpec
from kmsd.domain.objects import ManagedObject
from kmsd.domain.transport import TRANSPORTS, Inner, Transport, transport
from protocol.attributes import Attribute, AttributeReference
from protocol.enums import CryptographicAlgorithm, ResultReason, RevocationReasonCode
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
    return _internal(_CMK, ItemType.TEXT_STRING, uid)


@dataclass(frozen=True, slots=True)
class ImportToken:
    """What a wrapping key remembers."""

    cmk: str
    transport: Transport
    spec: KeySpec
    """Of the wrapping key."""
    expires: int
    """POSIX seconds."""


_CMK: Final = "Import For"  # attribute_rules.IMPORT_KEY
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
        for name in (_CMK, _ALGORITHM, _SPEC, _EXPIRES)
        if key is not None and (item := key.attributes.get(AttributeReference(name, INTERNAL_VENDOR).key)) is not None
    }
    if key is None or found.get(_CMK) != cmk or key.material is None:
        raise KmsError(ResultReason.INVALID_TICKET, "the import token is none of this key, or has been used")
    token = ImportToken(cmk, TRANSPORTS[found[_ALGORITHM]], KEY_SPECS[found[_SPEC]], found[_EXPIRES])
    if token.expires <= now:
        raise KmsError(ResultReason.INVALID_TICKET, "the import token has expired")
    return token


def for_import(cmk: Cmk, algorithm: str, spec: str) -> tuple[Transport, KeySpec]:
    """How material of a CMK is to be wrapped.

    Raises KmsError as `transport`, and Invalid Field where such material does not go that way.
    """
    found, wrapping = transport(algorithm, spec)
    # A private key is longer than what RSA takes, and SM2's is a number in the SM4 form.
    if cmk.spec.pair and found.inner is None:
        raise invalid_field(f"a private key is imported with a key of its own around it, not with {found.name} alone")
    if found.inner is Inner.SM4_ECB and cmk.spec.algorithm != CryptographicAlgorithm.SM2:
        raise invalid_field(f"{found.name} is for SM2 keys")
    return found, wrapping


def is_expired(key: ManagedObject, now: int) -> bool:
    item = key.attributes.get(AttributeReference(_EXPIRES, INTERNAL_VENDOR).key)
    return item is not None and item.value <= now


def used(key: ManagedObject, now: int) -> ManagedObject:
    """The wrapping key once it has served, or nobody can use it any more."""
    reason = RevocationReason(revocation_reason_code=RevocationReasonCode.CESSATION_OF_OPERATION)
    return lifecycle.destroy(lifecycle.revoke(key, reason, None, now), now)


def not_taken() -> KmsError:
    """The one answer to what does not open, is no such key, or is not what was imported before."""
    return KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "the key material does not open, or is not this key's")
