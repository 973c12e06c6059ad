"""Password hashes in the PHC string format: Argon2id, made here, and scrypt, which other tools make.

RFC 9106 (Argon2id), RFC 7914 (scrypt).
"""

from __future__ import annotations

import base64
import binascii
import os
import re

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

# RFC 9106 §4, second recommended option: 64 MiB, for machines that also do other things.
ITERATIONS = 3
LANES = 4
MEMORY_KIB = 64 * 1024

# What a hash may cost to verify: a bigger one would let a configuration stall its own daemon.
MAXIMUM_MEMORY_KIB = 1024 * 1024
MAXIMUM_ITERATIONS = 64
MAXIMUM_LANES = 64

_BASE64 = r"[A-Za-z0-9+/]"
_ARGON2ID = re.compile(
    rf"\$argon2id\$v=19\$m=(\d{{1,8}}),t=(\d{{1,4}}),p=(\d{{1,4}})\$({_BASE64}{{11,86}})\$({_BASE64}{{22,86}})"
)
_SCRYPT = re.compile(
    rf"\$scrypt\$ln=(\d{{1,2}}),r=(\d{{1,3}}),p=(\d{{1,3}})\$({_BASE64}{{11,86}})\$({_BASE64}{{22,86}})"
)


class PasswordHash:
    """A parsed PHC string; its repr shows the scheme only.

    Raises ValueError for anything else, a plain password above all.
    """

    __slots__ = ("_phc", "_scheme", "_scrypt")

    def __init__(self, phc: str) -> None:
        if match := _ARGON2ID.fullmatch(phc):
            self._scheme, scrypt = "argon2id", None
            memory, iterations, lanes = (int(group) for group in match.groups()[:3])
            sound = (
                1 <= iterations <= MAXIMUM_ITERATIONS
                and 1 <= lanes <= MAXIMUM_LANES
                and 8 * lanes <= memory <= MAXIMUM_MEMORY_KIB
            )
        elif match := _SCRYPT.fullmatch(phc):
            log2_n, r, p = (int(group) for group in match.groups()[:3])
            self._scheme, scrypt = "scrypt", (1 << log2_n, r, p)
            # scrypt needs 128 * r * N bytes (RFC 7914 §2).
            sound = (
                1 <= log2_n <= 30
                and r >= 1
                and 1 <= p <= MAXIMUM_LANES
                and 128 * r << log2_n <= MAXIMUM_MEMORY_KIB * 1024
            )
        else:
            raise ValueError("expected a PHC string of Argon2id or scrypt: `kmsd hash-password` makes one")
        if not sound:
            raise ValueError(f"the cost parameters of this {self._scheme} hash are out of bounds")
        salt, digest = (_decode(group) for group in match.groups()[3:])
        self._scrypt = scrypt and (salt, digest, *scrypt)
        self._phc = phc

    def verify(self, password: bytes) -> bool:
        """Whether this is the password. Takes about 0.1 s and 64 MiB: never call it on the event loop."""
        try:
            if self._scrypt is None:
                Argon2id.verify_phc_encoded(password, self._phc)
            else:
                salt, digest, n, r, p = self._scrypt
                Scrypt(salt=salt, length=len(digest), n=n, r=r, p=p).verify(password, digest)
        except InvalidKey:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PasswordHash) and self._phc == other._phc

    def __hash__(self) -> int:
        return hash(self._phc)

    def __repr__(self) -> str:
        return f"PasswordHash({self._scheme})"


def hash_password(password: bytes) -> str:
    """A fresh Argon2id PHC string (RFC 9106 §4: 64 MiB, 3 passes, 4 lanes)."""
    kdf = Argon2id(salt=os.urandom(16), length=32, iterations=ITERATIONS, lanes=LANES, memory_cost=MEMORY_KIB)
    return kdf.derive_phc_encoded(password)


def _decode(text: str) -> bytes:
    """PHC strings use base64 without padding."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("the salt or the hash is not base64") from None
