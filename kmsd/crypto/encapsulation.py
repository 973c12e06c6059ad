"""Key encapsulation: ML-KEM (FIPS 203).

No version of KMIP up to 2.1 has an operation for it. This is what one will call, under a permit of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import mlkem

from kmsd.crypto.asymmetric import PrivateKey, PublicKey
from kmsd.crypto.errors import CryptographicFailureError, UnsupportedError

SHARED_SECRET = 32
"""Bytes."""


class Encapsulated(NamedTuple):
    """A fresh secret, and what whoever has the private key makes it from."""

    secret: bytes
    ciphertext: bytes
    """1088 bytes of ML-KEM-768, 1568 of ML-KEM-1024."""

    def __repr__(self) -> str:
        return f"Encapsulated({len(self.ciphertext)} bytes)"


def encapsulate(key: PublicKey) -> Encapsulated:
    """FIPS 203 §7.2. Raises UnsupportedError for a key that is not for this."""
    if not isinstance(key, mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey):
        raise UnsupportedError("keys of this kind do not encapsulate")
    return Encapsulated(*key.encapsulate())


def decapsulate(key: PrivateKey, ciphertext: bytes) -> bytes:
    """FIPS 203 §7.3: 32 bytes, which are another secret, and no error, where the ciphertext was altered.

    Raises CryptographicFailureError for a ciphertext of the wrong length, UnsupportedError for a key that is not for
    this.
    """
    if not isinstance(key, mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey):
        raise UnsupportedError("keys of this kind do not encapsulate")
    try:
        return key.decapsulate(ciphertext)
    except ValueError:
        raise CryptographicFailureError() from None
