"""What every provider of keys does, the same for software and HSM.

A provider blocks: the caller decides, by `is_short`, whether a call may run on the event loop or must hop to a
thread. A stored key is used with a permit only (`kmsd.domain.usage.permit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kmsd.crypto.holdings import Holdings
from kmsd.domain.objects import Material, ProtectionLevel
from kmsd.domain.usage import KeyUse
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DerivationMethod,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    KeyFormatType,
    ObjectType,
    PaddingMethod,
    RecommendedCurve,
)
from protocol.structures import CryptographicParameters


class KeyReference(NamedTuple):
    """Whose key it is: bound into sealed material, so that blobs cannot be swapped between objects."""

    tenant: str
    uid: str
    object_type: ObjectType
    algorithm: CryptographicAlgorithm | None
    length: int
    """Cryptographic Length in bits; 0 where there is none."""


class NewKey(NamedTuple):
    """A key that was made or stored: its material and what KMIP wants said about it."""

    material: Material
    length: int
    """Cryptographic Length in bits."""
    digest: bytes | None
    """SHA-256 of the plaintext in its default Key Format Type; None where the plaintext never left the HSM."""


@dataclass(slots=True)
class Encrypted:
    """What Encrypt gives: `iv` only where the provider chose it, `tag` only for authenticated encryption."""

    data: bytes
    iv: bytes | None = None
    tag: bytes | None = None

    @property
    def whole(self) -> bytes:
        """The data with its tag behind it, if it has one."""
        return self.data + (self.tag or b"")


@dataclass(frozen=True, slots=True)
class Derivation:
    """What to derive; the key that it is derived from is the permit's."""

    method: DerivationMethod
    length: int
    """Bytes."""
    parameters: CryptographicParameters
    data: tuple[bytes, ...] = ()
    """Derivation Data; several pieces only for AWS Signature Version 4."""
    iv: bytes | None = None
    salt: bytes | None = None
    iterations: int | None = None
    peer: bytes | None = None
    """The other party's public key, SubjectPublicKeyInfo; key agreement only."""

    def __repr__(self) -> str:
        return f"Derivation({self.method.name}, {self.length} bytes)"

    @property
    def work(self) -> int:
        """What it costs, in bytes hashed or so: what tells short calls from long ones."""
        return (self.iterations or 1) * 128 + self.length + sum(map(len, self.data))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider is able to do, as tested: this decides what Query says and what is refused."""

    key_algorithms: frozenset[tuple[CryptographicAlgorithm, int]]
    """(algorithm, length in bits) that can be generated; EC lengths are the curves' field sizes."""
    curves: frozenset[RecommendedCurve]
    cipher_modes: frozenset[tuple[CryptographicAlgorithm, BlockCipherMode]]
    paddings: frozenset[tuple[PaddingMethod, HashingAlgorithm | None]]
    """Asymmetric encryption."""
    signatures: frozenset[DigitalSignatureAlgorithm]
    macs: frozenset[CryptographicAlgorithm]


class Stream(Protocol):
    """One operation in parts; for one caller at a time."""

    def update(self, data: bytes) -> bytes:
        """Take one part, give what it completes, perhaps nothing."""

    def finish(self, data: bytes, tag: bytes | None = None) -> Encrypted:
        """Take the last part and give the rest; `tag` where an authenticated decryption ends.

        For a hash or a MAC the data is the whole result. Raises CryptographicFailureError, InvalidParametersError.
        """


class Provider(Protocol):
    """A place where keys live and work. Every method may raise kmsd.crypto.errors.CryptoError."""

    protection: ProtectionLevel
    capabilities: Capabilities

    def generate(self, reference: KeyReference) -> NewKey:
        """A symmetric or HMAC key of `reference.length` bits."""

    def generate_pair(
        self, public: KeyReference, private: KeyReference, curve: RecommendedCurve | None
    ) -> tuple[NewKey, NewKey]:
        """(public, private). The public key is plain SubjectPublicKeyInfo (X.509 format), sealed as all else."""

    def store(self, reference: KeyReference, plaintext: bytes, format_: KeyFormatType | None) -> NewKey:
        """Take in material that a client brought, in its canonical format (see kmsd.crypto.keyformats)."""

    def take_wrapped(self, use: KeyUse, wrapped: bytes, reference: KeyReference) -> tuple[NewKey, bytes] | None:
        """Keep a key that lies under the private key of the permit without its plaintext leaving this place; with it,
        kmsd.crypto.transport.identity. None where that is not possible: then it is for `unwrap` and `store`."""

    def export(self, use: KeyUse) -> bytes:
        """The plaintext in its stored format; Unsupported for keys that live in an HSM."""

    def encrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None) -> Encrypted: ...

    def decrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None, tag: bytes | None) -> bytes: ...

    def sign(self, use: KeyUse, data: bytes | None, digested: bytes | None) -> bytes: ...

    def verify(self, use: KeyUse, data: bytes | None, digested: bytes | None, signature: bytes) -> bool: ...

    def mac(self, use: KeyUse, data: bytes) -> bytes: ...

    def mac_verify(self, use: KeyUse, data: bytes, mac: bytes) -> bool: ...

    def wrap(self, use: KeyUse, plaintext: bytes) -> Encrypted:
        """`plaintext` under the key of the permit: NIST key wrap (RFC 3394; RFC 5649 where the mode says so), or a mode
        that authenticates, whose tag is at the end of the data and whose IV is chosen here."""

    def unwrap(self, use: KeyUse, wrapped: bytes, iv: bytes | None = None) -> bytes:
        """The inverse; `iv` where the mode has one. Raises CryptographicFailureError, InvalidParametersError."""

    def begin(self, use: KeyUse, iv: bytes | None, aad: bytes | None) -> Stream | None:
        """The operation of the permit's purpose, in parts: Encrypt, Decrypt, or a MAC. The IV is chosen already.

        None where this provider works on whole data only; the caller then collects.
        """

    def random(self, length: int) -> bytes:
        """`length` random bytes."""

    def destroy(self, reference: KeyReference, material: Material) -> None:
        """Forget handles and remove what the provider itself keeps; the store drops the blob."""

    def settle(self) -> int:
        """Do what `destroy` could not finish, because the token was lost; how many keys are gone now."""

    def holdings(self) -> Holdings:
        """What the provider itself keeps: it may be more, or less, than the store says."""

    def discard(self, tenant: str, key_id: bytes) -> None:
        """Remove one of its holdings, which no object needs."""

    def is_short(self, algorithm: CryptographicAlgorithm | None, size: int) -> bool:
        """Whether a call on `size` bytes takes well under a millisecond, so that it may run on the event loop."""


class DerivingProvider(Provider, Protocol):
    """A provider that also makes keys out of keys. No HSM does: what is derived comes out as plain bytes."""

    def derive(self, use: KeyUse, derivation: Derivation) -> bytes:
        """Bytes derived from the key of the permit, which says Derive Key."""

    def fingerprint(self, tenant: str, data: bytes) -> bytes:
        """A keyed hash, 32 bytes, to know data of the tenant again that is not kept."""
