"""The file that `kmsd encrypt` writes of what one request carries, and that tells `kmsd decrypt` all it needs.

    4 bytes   "kmsd"
    1 byte    the format, 1
    1 byte    length of the Unique Identifier, and so many bytes of UTF-8: the key to decrypt with
    1 byte    length of the IV, and so many bytes; 0 where the key's algorithm has none
    1 byte    length of the authentication tag, and so many bytes; 0 where there is none
    the rest  the ciphertext

It may be in base64 as a whole. Nothing in it is secret; what has been changed, a key with a tag (AES-GCM, the
default) refuses to decrypt.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Self

MAGIC = b"kmsd"
FORMAT = 1
_BASE64 = base64.b64encode(MAGIC + bytes([FORMAT]))[:5]


def is_armoured(file: bytes) -> bool:
    """Whether a file that begins so is in base64, whatever its format."""
    return file.startswith(_BASE64)


def is_ciphertext(file: bytes) -> bool:
    """Whether a file that begins so is of this format."""
    return file[: len(MAGIC) + 1] == MAGIC + bytes((FORMAT,))


@dataclass(frozen=True, slots=True)
class Ciphertext:
    unique_identifier: str
    iv: bytes
    tag: bytes
    data: bytes

    def __bytes__(self) -> bytes:
        """Raises ValueError where a part is longer than 255 bytes."""
        parts = [MAGIC, bytes([FORMAT])]
        for part in (self.unique_identifier.encode(), self.iv, self.tag):
            parts += bytes([len(part)]), part
        return b"".join([*parts, self.data])

    @classmethod
    def parse(cls, file: bytes) -> Self:
        """Raises ValueError, with words for whoever gave us the file."""
        if is_armoured(file):
            try:
                file = base64.b64decode(b"".join(file.split()), validate=True)
            except binascii.Error as error:
                raise ValueError("its base64 is damaged") from error
        if file[:4] != MAGIC:
            raise ValueError("it is not what `kmsd encrypt` writes")
        if file[4:5] != bytes([FORMAT]):
            raise ValueError("it is of a format that this version of kmsd does not know")
        at = 5
        parts = []
        for _ in range(3):
            end = at + 1 + (file[at] if at < len(file) else 0)
            if end > len(file) or at >= len(file):
                raise ValueError("it is cut short")
            parts.append(file[at + 1 : end])
            at = end
        uid, iv, tag = parts
        try:
            return cls(uid.decode(), iv, tag, file[at:])
        except UnicodeDecodeError as error:
            raise ValueError("its Unique Identifier is damaged") from error
