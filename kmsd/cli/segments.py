"""The file that `kmsd encrypt` writes of what no request could carry: segments under a data key.

    4 bytes   "kmsd"
    1 byte    the format, 2
    1 byte    the suite, 1: AES-256-GCM under a key of HKDF with SHA-512 (RFC 5869), with a commitment to that key
    4 bytes   bytes of plaintext in a segment, the most significant first: 1 MiB here, up to 16 MiB are read
    32 bytes  random, the number of this file
    2 bytes   length of the next field, the most significant first
    n bytes   the data key of 32 bytes, encrypted on the server: a file of format 1 (kmsd.cli.ciphertext)
    32 bytes  the commitment
    the rest  segments: as many bytes of ciphertext as of plaintext, and a tag of 16 bytes

With AES-256-GCM as the server's key and a UUID for it the head has 180 bytes, and a file is longer than its plaintext
by these and 16 for each MiB begun.

HKDF of the data key, with the file's number as salt and `kmsd file` and the first 10 bytes of the head as info, gives
the 32 bytes of the segments' key and the 32 of the commitment: no second data key opens the same file. A segment's
nonce is its position (11 bytes, from 0) and whether it is the last (1 byte); the whole head is the additional data of
each. So segments that are changed, left out, moved, repeated, added or of another file do not open, nor does a file
that ends early (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizár 2015). All but the last are full; the
last one is empty only where there is no plaintext at all.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kmsd.cli.ciphertext import MAGIC

FORMAT: Final = 2
DATA_KEY: Final = 32
"""Bytes of the key that the server encrypts."""
SEGMENT: Final = 1 << 20
LARGEST_SEGMENT: Final = 1 << 24
"""Bytes of plaintext: what is not yet authenticated is in memory."""

_SUITE: Final = 1
_START: Final = struct.Struct(">4sBBI")
_LENGTH: Final = struct.Struct(">H")
_NUMBER: Final = 32
_COMMITMENT: Final = 32
_TAG: Final = 16
_KDF_DOMAIN: Final = b"kmsd file"


class DamagedError(ValueError):
    """The file is not as it was written."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the segments."""

    segment: int
    number: bytes
    sealed_key: bytes
    """The data key as a file of format 1."""
    commitment: bytes

    def __bytes__(self) -> bytes:
        sealed = _LENGTH.pack(len(self.sealed_key)) + self.sealed_key
        return _start(self.segment) + self.number + sealed + self.commitment

    @classmethod
    def parse(cls, file: bytes) -> Self:
        """Of the first bytes of a file, 66 KiB at most. Raises ValueError, with words for whoever gave us the file."""
        length_at = _START.size + _NUMBER
        sealed_at = length_at + _LENGTH.size
        if len(file) < sealed_at:
            raise ValueError("it is cut short")
        magic, file_format, suite, segment = _START.unpack_from(file)
        if magic != MAGIC or file_format != FORMAT or suite != _SUITE:
            raise ValueError("it is of a format that this version of kmsd does not know")
        if not 0 < segment <= LARGEST_SEGMENT:
            raise ValueError("its segments are of a size that is not read")
        end = sealed_at + _LENGTH.unpack_from(file, length_at)[0]
        if len(file) < end + _COMMITMENT:
            raise ValueError("it is cut short")
        return cls(segment, file[_START.size : length_at], file[sealed_at:end], file[end : end + _COMMITMENT])


def is_segmented(file: bytes) -> bool:
    """Whether a file that begins so is of this format."""
    return file[: len(MAGIC) + 1] == MAGIC + bytes((FORMAT,))


def encrypt(data_key: bytes, sealed_key: bytes, plaintext: Iterable[bytes], size: int = SEGMENT) -> Iterator[bytes]:
    """The file in pieces, of plaintext in pieces of any size. Raises ValueError where the sealed key is too long."""
    number = os.urandom(_NUMBER)
    key, commitment = _derive(data_key, number, size)
    head = bytes(Head(size, number, sealed_key, commitment))
    yield head
    cipher = AESGCM(key)
    for position, (segment, is_last) in enumerate(_segments(plaintext, size)):
        yield cipher.encrypt(_nonce(position, is_last), segment, head)


def decrypt(data_key: bytes, head: Head, ciphertext: Iterable[bytes]) -> Iterator[bytes]:
    """The plaintext, segment by segment, of what follows the head. Raises DamagedError.

    Each segment that is given out is authentic and in its place. Whether it is the whole is known at the end only:
    nothing counts before this has come to it.
    """
    key, commitment = _derive(data_key, head.number, head.segment)
    if not bytes_eq(commitment, head.commitment):
        raise DamagedError("it was changed: its data key is not the one that it was written with")
    cipher = AESGCM(key)
    additional = bytes(head)
    for position, (segment, is_last) in enumerate(_segments(ciphertext, head.segment + _TAG)):
        try:
            plaintext = cipher.decrypt(_nonce(position, is_last), segment, additional)
        except InvalidTag:
            plaintext = None
        if plaintext is None or (not plaintext and position > 0):
            raise DamagedError(f"it was changed or cut short: only its first {position * head.segment} bytes open")
        yield plaintext


def _start(segment: int) -> bytes:
    return _START.pack(MAGIC, FORMAT, _SUITE, segment)


def _derive(data_key: bytes, number: bytes, segment: int) -> tuple[bytes, bytes]:
    """(the segments' key, the commitment)."""
    kdf = HKDF(SHA512(), DATA_KEY + _COMMITMENT, salt=number, info=_KDF_DOMAIN + _start(segment))
    derived = kdf.derive(data_key)
    return derived[:DATA_KEY], derived[DATA_KEY:]


def _nonce(position: int, is_last: bool) -> bytes:
    return position.to_bytes(11) + bytes((is_last,))


def _segments(pieces: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """The bytes in segments of this size, and of each whether it is the last, which alone may be shorter."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        while len(rest) > size:
            yield bytes(rest[:size]), False
            del rest[:size]
    yield bytes(rest), True
