"""Turn a declared structure into straight-line functions that read and write its bytes in one version.

Each function is generated when it is first needed and kept with the class. One unpack per field fetches tag, type,
length and the first eight bytes of the value together, so a buffer to be read carries PADDING behind its last byte.
Nothing needs a bounds check of its own: each field moves the position by a multiple of eight, and at the end of a
structure the position must be exactly the structure's end; only what recurses is checked before.
"""

from __future__ import annotations

from typing import TypeVar

from protocol.errors import ProtocolError
from protocol.reading import decoder, item_reader
from protocol.schema import table_of
from protocol.versions import ProtocolVersion
from protocol.wire import (
    PADDING,
    STRUCTURE,
    ZEROS,
    NotInVersion,
    Reader,
    Writer,
    malformed,
    missing,
    name_of,
    pack_head,
    surplus,
    unpack_head,
)
from protocol.writing import encoder, item_writer

__all__ = [
    "PADDING",
    "STRUCTURE",
    "ZEROS",
    "NotInVersion",
    "Reader",
    "Writer",
    "decode",
    "decoder",
    "encode",
    "encoder",
    "item_reader",
    "item_writer",
    "malformed",
    "missing",
    "name_of",
    "pack_head",
    "surplus",
    "unpack_head",
]

S = TypeVar("S")


def decode(cls: type[S], data: bytes, version: ProtocolVersion, given: object = None) -> S:
    """Read one whole item of the structure's tag. Raises ProtocolError, also for bytes left over."""
    tag = table_of(cls).tag
    buffer = data + PADDING
    try:
        head, size, _, _ = unpack_head(buffer, 0)
        if head != tag << 8 | STRUCTURE or size + 8 != len(data):
            raise ProtocolError(f"not one {name_of(tag)} structure")
        read = decoder(cls, version)
        value: S = read(buffer, 8, len(data)) if table_of(cls).given is None else read(buffer, 8, len(data), given)
    except ProtocolError as error:
        raise error.within(name_of(tag)) from None
    return value


def encode(value: object, version: ProtocolVersion, given: object = None) -> bytes:
    """Write one whole item. Raises ProtocolError where a required field has no value that the version knows."""
    table = table_of(type(value))
    out = [b""]
    write = encoder(type(value), version)
    size = write(value, out) if table.given is None else write(value, out, given)
    out[0] = pack_head(table.tag << 8 | STRUCTURE, size)
    return b"".join(out)
