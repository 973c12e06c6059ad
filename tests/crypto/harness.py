"""What the provider suite shares: making keys through a provider, and permits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from kmsd.crypto.errors import UnsupportedError
from kmsd.crypto.parameters import resolve
from kmsd.crypto.provider import KeyReference, NewKey, Provider
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.domain.usage import KeyUse, Purpose, permit
from protocol.attributes import Attribute
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    HashingAlgorithm,
    KeyFormatType,
    ObjectType,
    PaddingMethod,
    RecommendedCurve,
    State,
)
from protocol.structures import CryptographicDomainParameters, CryptographicParameters

TENANT = "acme"
NOW = 1_800_000_000
EVERY_USE = CryptographicUsageMask(0xFFFFF)


@dataclass(frozen=True)
class Key:
    """A stored key and the provider that keeps it."""

    provider: Provider
    reference: KeyReference
    new: NewKey
    curve: RecommendedCurve | None = None

    def use(self, purpose: Purpose, parameters: CryptographicParameters | None = None) -> KeyUse:
        """A permit, the parameters resolved as an operation does it."""
        reference = self.reference
        attributes = [
            Attribute("Cryptographic Length", self.new.length),
            Attribute("Cryptographic Usage Mask", EVERY_USE),
        ]
        if reference.algorithm is not None:
            attributes.append(Attribute("Cryptographic Algorithm", reference.algorithm))
        if self.curve is not None:
            domain = CryptographicDomainParameters(recommended_curve=self.curve)
            attributes.append(Attribute("Cryptographic Domain Parameters", domain))
        managed = ManagedObject(
            uid=reference.uid,
            tenant=reference.tenant,
            owner="client",
            object_type=reference.object_type,
            protection=self.provider.protection,
            state=State.ACTIVE,
            attributes=AttributeSet(attributes),
            material=self.new.material,
        )
        return permit(managed, purpose, resolve(purpose, reference.algorithm, parameters, None), NOW)


def reference(
    object_type: ObjectType,
    algorithm: CryptographicAlgorithm | None,
    length: int,
    uid: str = "key-1",
    tenant: str = TENANT,
) -> KeyReference:
    return KeyReference(tenant, uid, object_type, algorithm, length)


def generated(provider: Provider, algorithm: CryptographicAlgorithm, length: int, uid: str = "key-1") -> Key:
    """A symmetric key made by the provider; skips where it has no such keys."""
    if (algorithm, length) not in provider.capabilities.key_algorithms:
        pytest.skip(f"no {algorithm.name} keys of {length} bits here")
    asked = reference(ObjectType.SYMMETRIC_KEY, algorithm, length, uid)
    return Key(provider, asked, provider.generate(asked))


def stored(
    provider: Provider,
    algorithm: CryptographicAlgorithm | None,
    material: bytes,
    object_type: ObjectType = ObjectType.SYMMETRIC_KEY,
    format_: KeyFormatType | None = KeyFormatType.RAW,
    length: int | None = None,
    uid: str = "key-1",
) -> Key:
    """A key that a client brings, `material` in its kept format."""
    if object_type == ObjectType.SYMMETRIC_KEY and length is None:
        length = len(material) * 8
    asked = reference(object_type, algorithm, length or 0, uid)
    new = provider.store(asked, material, format_)
    return Key(provider, reference(object_type, algorithm, new.length, uid), new)


def pair(
    provider: Provider,
    algorithm: CryptographicAlgorithm,
    length: int,
    curve: RecommendedCurve | None = None,
    uid: str = "key",
) -> tuple[Key, Key]:
    """(public, private) made by the provider; skips where it has no such keys."""
    capabilities = provider.capabilities
    known = curve in capabilities.curves
    if curve is None:
        known = (algorithm, length) in capabilities.key_algorithms
    if not known:
        pytest.skip(f"no {algorithm.name} key pairs of this kind here")
    public = reference(ObjectType.PUBLIC_KEY, algorithm, length, f"{uid}-public")
    private = reference(ObjectType.PRIVATE_KEY, algorithm, length, f"{uid}-private")
    new_public, new_private = provider.generate_pair(public, private, curve)
    return (
        Key(
            provider,
            reference(public.object_type, algorithm, new_public.length, public.uid),
            new_public,
            curve,
        ),
        Key(
            provider,
            reference(private.object_type, algorithm, new_private.length, private.uid),
            new_private,
            curve,
        ),
    )


@contextmanager
def as_the_token_can(provider: Provider) -> Iterator[None]:
    """Skip where a token refuses what not every token does; a software provider must do it."""
    try:
        yield
    except UnsupportedError as refusal:
        if provider.protection != ProtectionLevel.HSM:
            raise
        pytest.skip(str(refusal))


def needs_mode(provider: Provider, mode: BlockCipherMode) -> None:
    if (CryptographicAlgorithm.AES, mode) not in provider.capabilities.cipher_modes:
        pytest.skip(f"no AES {mode.name} here")


def needs_padding(provider: Provider, padding: PaddingMethod, hashing: HashingAlgorithm | None) -> None:
    if (padding, hashing) not in provider.capabilities.paddings:
        pytest.skip(f"no {padding.name} here")
