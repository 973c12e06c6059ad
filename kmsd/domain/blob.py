"""The ciphertext that says by itself which key opens it, and the encryption context that it is bound to.

    0x01 | suite (1) | Unique Identifier of the version, a UUID (16) | IV (12) | ciphertext | tag (16)

The additional data of the cipher is "kmsd-blob" and a zero byte, the first 18 bytes, and the context in its canonical
form: a blob opens under the version that it names, in the suite that it names, with the context that it was made with,
or not at all. The context is in no blob.

IVs are 96 random bits. Two that are equal under one version would give both plaintexts away, and so would the key for
their tags: kmsd.domain.encryptions says how often a version encrypts at most.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, PaddingMethod, ResultReason
from protocol.structures import CryptographicParameters

FORMAT: Final = 1
HEAD: Final = 18
"""Bytes before the IV, which the additional data repeats."""
IV_LENGTH: Final = 12
TAG_LENGTH: Final = 16
OVERHEAD: Final = HEAD + IV_LENGTH + TAG_LENGTH
"""Bytes that a blob is longer than its plaintext."""
MAXIMUM_PLAINTEXT: Final = 6144
"""Bytes: what is longer is encrypted under a data key."""
MAXIMUM_BLOB: Final = MAXIMUM_PLAINTEXT + OVERHEAD
MAXIMUM_CONTEXT: Final = 8192
"""Characters of an encryption context, as JSON."""

_DOMAIN: Final = b"kmsd-blob\x00"
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Suite:
    """An authenticated cipher with a 96-bit IV and a 128-bit tag, for keys of one length (bits)."""

    number: int
    name: str
    algorithm: CryptographicAlgorithm
    length: int
    parameters: CryptographicParameters


def _suite(
    number: int, name: str, algorithm: CryptographicAlgorithm, length: int, mode: BlockCipherMode = BlockCipherMode.GCM
) -> Suite:
    parameters = CryptographicParameters(
        block_cipher_mode=mode,
        padding_method=PaddingMethod.NONE,
        cryptographic_algorithm=algorithm,
        random_iv=True,
        iv_length=IV_LENGTH * 8,
        tag_length=TAG_LENGTH,
    )
    return Suite(number, name, algorithm, length, parameters)


_ROWS: Final = (
    _suite(1, "AES_256_GCM", CryptographicAlgorithm.AES, 256),
    _suite(2, "AES_192_GCM", CryptographicAlgorithm.AES, 192),
    _suite(3, "AES_128_GCM", CryptographicAlgorithm.AES, 128),
    _suite(4, "SM4_GCM", CryptographicAlgorithm.SM4, 128),
    _suite(5, "CHACHA20_POLY1305", CryptographicAlgorithm.CHACHA20_POLY1305, 256, BlockCipherMode.AEAD),
)
SUITES: Final[Mapping[int, Suite]] = {row.number: row for row in _ROWS}
_BY_KEY: Final = {(row.algorithm, row.length): row for row in _ROWS}


def suite_of(key: ManagedObject) -> Suite:
    """The suite that a key encrypts in. Raises KmsError Unsupported Cryptographic Parameters."""
    suite = _BY_KEY.get((key.algorithm, key.length)) if key.algorithm is not None else None
    if suite is None:
        raise KmsError(
            ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, "keys of this kind make no self-describing ciphertexts"
        )
    return suite


@dataclass(frozen=True, slots=True)
class Blob:
    """A ciphertext in parts."""

    suite: Suite
    uid: str
    """The version that made it, and opens it."""
    iv: bytes
    ciphertext: bytes
    tag: bytes

    def __bytes__(self) -> bytes:
        return head(self.suite, self.uid) + self.iv + self.ciphertext + self.tag


def head(suite: Suite, uid: str) -> bytes:
    """The first 18 bytes of a blob. Raises KmsError Invalid Field where the version's identifier is no UUID."""
    if not _UUID.fullmatch(uid):
        raise invalid_field("only a key whose Unique Identifier is a UUID makes self-describing ciphertexts")
    return bytes((FORMAT, suite.number)) + bytes.fromhex(uid.replace("-", ""))


def _uid(version: bytes) -> str:
    digits = version.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def parse(data: bytes) -> Blob:
    """The parts of a blob. Raises KmsError Invalid Field for what is none, and for what a newer kmsd may have made."""
    if not OVERHEAD < len(data) <= MAXIMUM_BLOB:
        raise invalid_field(f"a self-describing ciphertext has {OVERHEAD + 1} to {MAXIMUM_BLOB} bytes")
    suite = SUITES.get(data[1])
    if data[0] != FORMAT or suite is None:
        raise invalid_field("a ciphertext of a format or suite that is not known here")
    return Blob(
        suite=suite,
        uid=_uid(data[2:HEAD]),
        iv=data[HEAD : HEAD + IV_LENGTH],
        ciphertext=data[HEAD + IV_LENGTH : -TAG_LENGTH],
        tag=data[-TAG_LENGTH:],
    )


def additional_data(suite: Suite, uid: str, context: Mapping[str, str]) -> bytes:
    """What the cipher authenticates beside the plaintext."""
    return _DOMAIN + head(suite, uid) + canonical(context)


def canonical(context: Mapping[str, str]) -> bytes:
    """Number of entries, then of each, in the order of the keys' UTF-8 bytes, key and value, each after its length.

    Numbers have 4 bytes, the most significant first; an empty context is no bytes at all. No two contexts are
    equal so.
    """
    if not context:
        return b""
    entries = sorted((key.encode(), value.encode()) for key, value in context.items())
    parts = [_LENGTH.pack(len(entries))]
    for entry in entries:
        for text in entry:
            parts += (_LENGTH.pack(len(text)), text)
    return b"".join(parts)


def parse_context(text: str | None) -> dict[str, str]:
    """The encryption context of a request: a JSON object of texts; None is the empty one.

    Raises KmsError Invalid Field: longer than MAXIMUM_CONTEXT characters, no JSON object, a key that occurs twice, a
    value that is no text, half a surrogate pair.
    """
    if text is None:
        return {}
    if len(text) > MAXIMUM_CONTEXT:
        raise invalid_field(f"an encryption context has {MAXIMUM_CONTEXT} characters at most")
    try:
        entries = json.loads(text, object_pairs_hook=_Entries)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, _Entries) or not all(isinstance(value, str) for _, value in entries):
        raise invalid_field("an encryption context is a JSON object whose values are texts")
    context: dict[str, str] = dict(entries)
    if len(context) != len(entries):
        raise invalid_field("a key of the encryption context occurs twice")
    try:
        canonical(context)
    except UnicodeEncodeError:
        raise invalid_field("the encryption context is no Unicode text") from None
    return context


class _Entries(list[tuple[str, Any]]):
    """A JSON object as it stands, so that a key that occurs twice is seen."""
