"""NIST key wrap inside a token: what goes in and comes out is another object's, the wrapping key stays."""

from __future__ import annotations

from collections.abc import Callable

from pkcs11 import KeyType

from kmsd.crypto.ciphers import wrap_mode
from kmsd.crypto.errors import CryptographicFailureError, UnsupportedError
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.objects import BoundKey
from kmsd.crypto.hsm.pool import Lease
from kmsd.crypto.hsm.root import passing_secret, read_unwrapped
from kmsd.domain.usage import KeyUse
from protocol.enums import BlockCipherMode, CryptographicAlgorithm


def wrapping(use: KeyUse, abilities: Abilities, plaintext: bytes) -> Callable[[Lease, BoundKey], bytes]:
    """The call that wraps `plaintext` under the key it is given. Raises UnsupportedError, InvalidParametersError."""
    mechanism = abilities.wrap_mechanism(_mode(use), len(plaintext))

    def call(lease: Lease, key: BoundKey) -> bytes:
        passing = lease.create(lambda session: session.create_object(passing_secret(plaintext)))
        try:
            wrapped: bytes = key.wrap_key(passing, mechanism=mechanism)
            return wrapped
        finally:
            lease.create(lambda session: passing.destroy())

    return call


def unwrapping(use: KeyUse, abilities: Abilities, wrapped: bytes) -> Callable[[Lease, BoundKey], bytes]:
    """The call that opens `wrapped`, which is no key of the token. Raises UnsupportedError,
    CryptographicFailureError."""
    mechanism = abilities.unwrap_mechanism(_mode(use))
    if len(wrapped) < 16 or len(wrapped) % 8:
        raise CryptographicFailureError()

    def call(lease: Lease, key: BoundKey) -> bytes:
        return lease.create(
            lambda session: read_unwrapped(BoundKey(session, key.handle, KeyType.AES), wrapped, mechanism)
        )

    return call


def _mode(use: KeyUse) -> BlockCipherMode:
    if use.algorithm != CryptographicAlgorithm.AES:
        raise UnsupportedError("keys of this algorithm do not wrap here")
    return wrap_mode(use.parameters)
