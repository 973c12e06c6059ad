"""What a new object is before it has material: its protection, and the attributes that the server sets."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from kmsd.domain import attribute_rules, lifecycle
from kmsd.domain.algorithms import CURVE_BY_LENGTH, CURVE_LENGTHS, EC_ALGORITHMS, FIXED_LENGTHS, IMPLIED_CURVES
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import NO_ATTRIBUTES, AttributeSet, ManagedObject, Material, ProtectionLevel, Shared
from protocol.attributes import Attribute
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    HashingAlgorithm,
    KeyFormatType,
    ObjectType,
    ProtectionStorageMask,
    RecommendedCurve,
    ResultReason,
    RNGAlgorithm,
)
from protocol.enums import (
    ProtectionLevel as WireProtectionLevel,
)
from protocol.structures import (
    CryptographicDomainParameters,
    Digest,
    ProtectionStorageMasks,
    RNGParameters,
)
from protocol.ttlv import Item

PROTECTION_ATTRIBUTE = "x-kmsd-ProtectionLevel"
"""How a 1.x client asks for HSM or SOFTWARE: a custom attribute with that text."""

_STORAGE: dict[ProtectionLevel, ProtectionStorageMask] = {
    ProtectionLevel.SOFTWARE: ProtectionStorageMask.SOFTWARE,
    ProtectionLevel.HSM: ProtectionStorageMask.HARDWARE,
}
"""What the Protection Storage Mask attribute says: no property that an operator would have to vouch for."""
_LEVELS: dict[ProtectionLevel, WireProtectionLevel] = {
    ProtectionLevel.SOFTWARE: WireProtectionLevel.LOW,
    ProtectionLevel.HSM: WireProtectionLevel.HIGH,
}


def storage_mask(level: ProtectionLevel) -> ProtectionStorageMask:
    """The properties of the storage behind a level (KMIP 2.1 §12.2)."""
    return _STORAGE[level]


def protection(
    attributes: AttributeSet,
    masks: ProtectionStorageMasks | None,
    default: ProtectionLevel,
    available: Collection[ProtectionLevel],
) -> ProtectionLevel:
    """Where the client wants the key: Protection Storage Masks, Protection Level, the 1.x attribute, the default.

    Of several masks the first that `available` levels satisfy counts; a level that is named stands as it is.

    Raises KmsError: Protection Storage Unavailable (a mask that we cannot satisfy), Invalid Attribute Value (a
    level that contradicts the mask, or is none).
    """
    asked: set[ProtectionLevel] = set()
    if masks is not None and masks.masks:
        # KMIP 2.1 §7.33: the masks are alternatives, each a set of bits that must all hold.
        choice = next((level for mask in masks.masks for level in _satisfying(int(mask), default, available)), None)
        if choice is None:
            raise KmsError(
                ResultReason.PROTECTION_STORAGE_UNAVAILABLE, "no protection storage here has all these properties"
            )
        asked.add(choice)
    level = attributes.get("Protection Level")
    if level is not None:
        asked.add(_named(next((ours for ours, wire in _LEVELS.items() if wire == level), None)))
    text = attributes.get(PROTECTION_ATTRIBUTE)
    if text is not None:
        value = text.value if isinstance(text, Item) else text
        asked.add(_named(next((level for level in ProtectionLevel if level.value == value), None)))
    if len(asked) > 1:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the protection is asked for in two ways that differ")
    return asked.pop() if asked else default


def _named(level: ProtectionLevel | None) -> ProtectionLevel:
    if level is None:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the Protection Level is SOFTWARE (Low) or HSM (High)")
    return level


def _satisfying(mask: int, default: ProtectionLevel, available: Collection[ProtectionLevel]) -> list[ProtectionLevel]:
    order = sorted(available, key=lambda level: level is not default)
    return [level for level in order if not mask & ~_STORAGE[level]]


def candidate(
    uid: str,
    tenant: str,
    owner: str,
    object_type: ObjectType,
    level: ProtectionLevel,
    attributes: AttributeSet,
    now: int,
    lease_time: int,
) -> ManagedObject:
    """The new object with what the server sets, still without material.

    Sensitive and Extractable are what the client said, else False and True (KMIP 1.4 §3.48, §3.50); those of an
    HSM key are True and False, and a client that asks for anything else is refused.
    """
    in_hsm = level is ProtectionLevel.HSM and object_type is not ObjectType.PUBLIC_KEY
    sensitive = attributes.get("Sensitive", in_hsm)
    extractable = attributes.get("Extractable", not in_hsm)
    if in_hsm and (not sensitive or extractable):
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "an HSM key is Sensitive and not Extractable")
    mask = attributes.get("Cryptographic Usage Mask")
    if mask is None and object_type in KEY_TYPES:
        attributes = attributes.set("Cryptographic Usage Mask", CryptographicUsageMask(0))
    if object_type is ObjectType.TEMPLATE:
        # It holds attributes for others, and nothing to protect; leases are for all objects (KMIP 1.4 §4.17).
        attributes = attributes.set_all({"Lease Time": lease_time, "Initial Date": now, "Last Change Date": now})
    else:
        limits = attributes.get("Usage Limits")
        if limits is not None:
            attributes = attributes.set("Usage Limits", attribute_rules.full(limits))
        fresh = object_type not in lifecycle.STATELESS and "Fresh" not in attributes
        attributes = attributes.merged(
            _begun(level, sensitive, extractable, lease_time, now, fresh),
            # KMIP 2.1 §4.56: it "SHOULD be generated as a SHA-256 hash of the Unique Identifier".
            {"Short Unique Identifier": hashlib.sha256(uid.encode()).digest()},
        )
    key = ManagedObject(
        uid=uid,
        tenant=tenant,
        owner=owner,
        object_type=object_type,
        protection=level,
        state=lifecycle.first_state(object_type),
        attributes=attributes,
        material=None,
    )
    return lifecycle.advance(key, now)


@lru_cache(maxsize=64)
def _begun(
    level: ProtectionLevel, sensitive: bool, extractable: bool, lease_time: int, now: int, fresh: bool
) -> AttributeSet:
    """What all objects that are made in one second under one level say of themselves: the same set for all of them."""
    return NO_ATTRIBUTES.set_all(
        {
            "Sensitive": sensitive,
            "Always Sensitive": sensitive,
            "Extractable": extractable,
            "Never Extractable": not extractable,
            "Protection Level": _LEVELS[level],
            "Protection Storage Mask": _STORAGE[level],
            "Lease Time": lease_time,
            "Fresh": fresh or None,
            "Initial Date": now,
            "Last Change Date": now,
        }
    )


KEY_TYPES = frozenset(
    {
        ObjectType.SYMMETRIC_KEY,
        ObjectType.PUBLIC_KEY,
        ObjectType.PRIVATE_KEY,
        ObjectType.SPLIT_KEY,
        ObjectType.SECRET_DATA,
        ObjectType.PGP_KEY,
    }
)


USED_AS_KEYS = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.PUBLIC_KEY, ObjectType.PRIVATE_KEY})
"""Types whose objects a provider uses as keys: the tenant's algorithms bind them."""


_UNSPECIFIED = Shared([Attribute("Random Number Generator", RNGParameters(rng_algorithm=RNGAlgorithm.UNSPECIFIED))])


@lru_cache(maxsize=64)
def _generated(now: int) -> AttributeSet:
    """What a key that this server makes says beside: that nobody has had it yet, when it was made, and out of which
    generator (KMIP 1.4 §3.34, §3.43, §3.44)."""
    generator = AttributeSet.of({"Random Number Generator": _UNSPECIFIED})
    return generator.set_all({"Fresh": True, "Original Creation Date": now})


def with_material(
    key: ManagedObject,
    material: Material,
    length: int,
    digest: bytes | None,
    shown: KeyFormatType,
    *,
    generated: int | None = None,
) -> ManagedObject:
    """The object with its material and what follows from it: length in bits (0: none), Digest (of the default Key
    Format Type), and the Key Format Type that Get gives unless asked otherwise.

    `generated` is when this server has made the material up, in POSIX seconds; None where it came from elsewhere.
    """
    values: dict[str, Any] = {"Key Format Type": shown}
    if length:
        values["Cryptographic Length"] = length
    if digest is not None:
        values["Digest"] = Digest(
            hashing_algorithm=HashingAlgorithm.SHA_256,
            digest_value=digest,
            # KMIP 1.4 §3.17: of a certificate it is that "of the Certificate Value", which is in no key format.
            key_format_type=KeyFormatType.RAW if key.object_type is ObjectType.CERTIFICATE else shown,
        )
    more = NO_ATTRIBUTES if generated is None else _generated(generated)
    return key.changed(key.state, key.attributes.merged(more, values), material)


def domain_parameters(
    algorithm: CryptographicAlgorithm, attributes: AttributeSet
) -> tuple[int, RecommendedCurve | None]:
    """(length in bits, curve) that a Create Key Pair means.

    Raises KmsError Invalid Attribute Value: neither length nor curve, or two that contradict each other.
    """
    length = attributes.get("Cryptographic Length")
    if algorithm in FIXED_LENGTHS:
        return _fixed(algorithm, length, attributes)
    if algorithm not in EC_ALGORITHMS:
        if length is None:
            raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the Cryptographic Length is missing")
        return length, None
    parameters: CryptographicDomainParameters | None = attributes.get("Cryptographic Domain Parameters")
    curve = parameters.recommended_curve if parameters is not None else None
    if curve is None:
        curve = CURVE_BY_LENGTH.get(length) if length is not None else None
    bits = CURVE_LENGTHS.get(curve) if curve is not None else None
    if curve is None or bits is None or (length is not None and length != bits):
        raise KmsError(
            ResultReason.INVALID_ATTRIBUTE_VALUE, "no curve, or a curve and a Cryptographic Length that differ"
        )
    return bits, curve


def _fixed(
    algorithm: CryptographicAlgorithm, length: int | None, attributes: AttributeSet
) -> tuple[int, RecommendedCurve | None]:
    """An algorithm whose name says it all; what the client says beside must agree."""
    parameters: CryptographicDomainParameters | None = attributes.get("Cryptographic Domain Parameters")
    curve = parameters.recommended_curve if parameters is not None else None
    own = IMPLIED_CURVES.get(algorithm)
    if length not in (None, FIXED_LENGTHS[algorithm]) or (curve is not None and curve != own):
        raise KmsError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"{algorithm.name} keys have {FIXED_LENGTHS[algorithm]} bits, and no choice of curves",
        )
    return FIXED_LENGTHS[algorithm], own


def merged(common: Iterable[Attribute], specific: Iterable[Attribute], single: frozenset[str]) -> list[Attribute]:
    """KMIP 1.4 §4.2: a single-valued attribute of the specific template takes precedence, others are united."""
    specific = list(specific)
    given = {attribute.key for attribute in specific}
    kept = [a for a in common if not (a.key in given and a.key in single)]
    return kept + specific
