"""Keys that are byte strings, in the Key Format Type Raw: Ed25519, X25519, ML-DSA, ML-KEM.

Private keys are what RFC 8032 and RFC 7748 call so, and the seeds of FIPS 203 (d || z) and FIPS 204. KMIP 2.1 names no
format for any of them; "Raw" is "a key that contains only cryptographic key material, encoded as a string of bytes".
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, mlkem, x25519

from kmsd.crypto.asymmetric import RawPrivateKey, RawPublicKey
from kmsd.crypto.errors import KeyMaterialError
from protocol import vendor
from protocol.enums import CryptographicAlgorithm as Algorithm

_PRIVATE: dict[Algorithm, Callable[[bytes], RawPrivateKey]] = {
    Algorithm.ED25519: ed25519.Ed25519PrivateKey.from_private_bytes,
    Algorithm.ECDH: x25519.X25519PrivateKey.from_private_bytes,
    vendor.ML_DSA_44: mldsa.MLDSA44PrivateKey.from_seed_bytes,
    vendor.ML_DSA_65: mldsa.MLDSA65PrivateKey.from_seed_bytes,
    vendor.ML_DSA_87: mldsa.MLDSA87PrivateKey.from_seed_bytes,
    vendor.ML_KEM_768: mlkem.MLKEM768PrivateKey.from_seed_bytes,
    vendor.ML_KEM_1024: mlkem.MLKEM1024PrivateKey.from_seed_bytes,
}
_PUBLIC: dict[Algorithm, Callable[[bytes], RawPublicKey]] = {
    Algorithm.ED25519: ed25519.Ed25519PublicKey.from_public_bytes,
    Algorithm.ECDH: x25519.X25519PublicKey.from_public_bytes,
    vendor.ML_DSA_44: mldsa.MLDSA44PublicKey.from_public_bytes,
    vendor.ML_DSA_65: mldsa.MLDSA65PublicKey.from_public_bytes,
    vendor.ML_DSA_87: mldsa.MLDSA87PublicKey.from_public_bytes,
    vendor.ML_KEM_768: mlkem.MLKEM768PublicKey.from_public_bytes,
    vendor.ML_KEM_1024: mlkem.MLKEM1024PublicKey.from_public_bytes,
}

PRIVATE_KINDS = (
    ed25519.Ed25519PrivateKey,
    mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PrivateKey,
    mlkem.MLKEM768PrivateKey,
    mlkem.MLKEM1024PrivateKey,
)
PUBLIC_KINDS = (
    ed25519.Ed25519PublicKey,
    mldsa.MLDSA44PublicKey,
    mldsa.MLDSA65PublicKey,
    mldsa.MLDSA87PublicKey,
    mlkem.MLKEM768PublicKey,
    mlkem.MLKEM1024PublicKey,
)
"""Those that have no other structure; X25519 has KMIP's Transparent EC."""


def read(private: bool, algorithm: Algorithm | None, material: bytes) -> RawPrivateKey | RawPublicKey:
    """A key of this algorithm; 32 bytes for ECDH are X25519's. Raises KeyMaterialError."""
    readers: dict[Algorithm, Callable[[bytes], RawPrivateKey]] | dict[Algorithm, Callable[[bytes], RawPublicKey]]
    readers = _PRIVATE if private else _PUBLIC
    reader = readers.get(algorithm) if algorithm is not None else None
    if reader is None:
        raise KeyMaterialError("the Key Material is not in the stated Key Format Type")
    try:
        return reader(material)
    except ValueError:
        raise KeyMaterialError("the Key Material is no key of the stated Cryptographic Algorithm") from None


def write(key: RawPrivateKey | RawPublicKey) -> bytes:
    """The key's bytes; of a private ML-KEM or ML-DSA key its seed."""
    if isinstance(key, RawPublicKey):
        return key.public_bytes_raw()
    return key.private_bytes_raw()
