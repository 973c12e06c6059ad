"""What generated readers and writers share: packing, padding, and how they say what is wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from enum import IntEnum, IntFlag
from typing import Any, Final

from protocol.enums import Enumeration, ResultReason, since
from protocol.errors import ProtocolError
from protocol.names import XML_NAMES, Tag
from protocol.ttlv import Item, ItemType, encode_big_integer, spelled
from protocol.ttlv import decode as decode_item
from protocol.ttlv import encode as encode_item
from protocol.versions import V2_0, ProtocolVersion

PADDING: Final = bytes(16)
"""What a buffer to be read carries behind its last byte, so that one unpack may reach past it."""
ZEROS: Final = tuple(bytes(-size % 8) for size in range(8))
PADS: Final = frozenset(ZEROS[1:])
"""What may stand behind a value whose length is no multiple of eight."""
STRUCTURE: Final = ItemType.STRUCTURE

pack_head = struct.Struct(">II").pack
pack_enumeration = struct.Struct(">III4x").pack
unpack_head = struct.Struct(">IIiI").unpack_from

Reader = Callable[..., Any]
Writer = Callable[..., int]


class NotInVersion(ProtocolError):
    """A value that the version to be written does not have."""


def name_of(tag: int) -> str:
    return XML_NAMES.get(tag, f"0x{tag:06X}")


def located(error: ProtocolError, head: int) -> ProtocolError:
    return error.within(name_of(head >> 8)) if head else error


def malformed(head: int, size: int) -> ProtocolError:
    return ProtocolError(f"malformed {_type_name(head)} of length {size}")


def missing(head: int) -> ProtocolError:
    """A required field is not where it belongs; `head` is what is there, 0 for the end of the structure."""
    return ProtocolError(f"missing, in its place is {_type_name(head)} {name_of(head >> 8)}" if head else "missing")


def surplus(head: int) -> ProtocolError:
    return ProtocolError(f"unexpected {_type_name(head)} here" if head else "a length does not match what it holds")


class Fields:
    """What is said of an item that is not the field of a structure which belongs there.

    A field of the structure, given twice, out of order or in another item type, is an Invalid Message, as is a missing
    one; what is no field of it in this version is an Invalid Field (KMIP 1.4 §11.1), and a tag that 2.x does not know
    an Unknown Tag (2.1 §11.46).
    """

    def __init__(self, tags: Iterable[int], version: ProtocolVersion) -> None:
        self.tags, self.version = frozenset(tags), version

    def missing(self, head: int) -> ProtocolError:
        return self._judged(missing(head), head)

    def surplus(self, head: int) -> ProtocolError:
        return self._judged(surplus(head), head)

    def _judged(self, error: ProtocolError, head: int) -> ProtocolError:
        tag = head >> 8
        if head and tag not in self.tags:
            known = tag in XML_NAMES or self.version < V2_0
            error.reason = ResultReason.INVALID_FIELD if known else ResultReason.UNKNOWN_TAG
        return error


def misfit(tag: int, head: int) -> ProtocolError:
    """Where the value of an attribute belongs is one of another item type, or something else."""
    error = surplus(head)
    if head >> 8 == tag:
        # KMIP 1.4 §11 has "Incorrect attribute value(s) specified" apart from what does not parse.
        error.reason = ResultReason.INVALID_ATTRIBUTE_VALUE
    return error


def undecided(key: object) -> ProtocolError:
    known = not isinstance(key, Enumeration) or key.known
    reason = ResultReason.INVALID_FIELD if known else ResultReason.UNKNOWN_ENUMERATION
    return ProtocolError(f"no form is known for {_value(key)}", reason=reason)


def unwritable(cls: type, name: str, value: object) -> ProtocolError:
    if value is None:
        return ProtocolError("missing", path=(cls.__name__, name), reason=ResultReason.INVALID_FIELD)
    what = f"this version has no {_value(value)}" if isinstance(value, IntEnum) else f"no {_value(value)} here"
    return NotInVersion(what, path=(cls.__name__, name), reason=ResultReason.INVALID_FIELD)


def _type_name(head: int) -> str:
    return spelled(ItemType(head & 255))


def _value(value: object) -> str:
    """Of an enumeration its class and name, of all else the class alone: a value may be a secret."""
    name = type(value).__name__
    return f"{name} {value.name}" if isinstance(value, IntEnum) else name


def big_integer(head: int, value: int) -> bytes:
    data = encode_big_integer(value)
    return pack_head(head, len(data)) + data


def read_subtree(buffer: bytes, start: int, stop: int) -> Item:
    return decode_item(buffer[start:stop])


def write_subtree(tag: int, item: Item) -> bytes:
    return encode_item(item if item.tag == tag else Item(tag, item.type, item.value))


class Members(dict[int, Any]):
    """An enumeration's members by the signed integer on the wire; what is no member of the version is not kept."""

    def __init__(self, cls: Any, members: dict[int, Any]) -> None:
        super().__init__(members)
        self.cls = cls

    def __missing__(self, value: int) -> IntEnum:
        member = self.cls._value2member_map_.get(value & 0xFFFFFFFF)
        if member is None:
            # Not by a call of the class: one without members, which has vendors' values only, cannot be called.
            return self.cls._missing_(value & 0xFFFFFFFF)  # type: ignore[no-any-return]
        version = ".".join(map(str, since(member)))
        raise ProtocolError(f"{member.name} is of KMIP {version}", reason=ResultReason.INVALID_FIELD)


class Masks(Members):
    """As Members; several bits together are built without the class's own cache, which would keep them for ever."""

    def __missing__(self, value: int) -> IntFlag:  # type: ignore[override]
        mask: IntFlag = int.__new__(self.cls, value)
        mask._value_ = value
        mask._name_ = None
        return mask


class Items(dict[Any, bytes]):
    """An enumeration's values as whole items, made beforehand; of those that are not, vendors' are packed.

    Raises ProtocolError for None and for `newer`, which the version of the field `where` does not have.
    """

    def __init__(self, head: int, values: Iterable[int], newer: frozenset[int], where: tuple[type, str]) -> None:
        super().__init__((int(value), pack_enumeration(head, 4, value)) for value in values if value not in newer)
        self.head, self.newer, self.where = head, newer, where

    def __missing__(self, value: Any) -> bytes:
        if value is None or value in self.newer:
            raise unwritable(*self.where, value)
        return pack_enumeration(self.head, 4, value)


class ByKey(dict[Any, Any]):
    """The functions of a ChosenBy table, compiled as their keys first occur."""

    def __init__(self, table: Any, compile_: Callable[[Any], Any]) -> None:
        self.table = table
        self.compile = compile_

    def __missing__(self, key: Any) -> Any:
        # All keys without an entry share one function: what a peer sends must not make the table grow.
        entry = key if key in self.table else None
        if entry not in self.table:
            raise undecided(key)
        made = self.get(entry)
        if made is None:
            made = self[entry] = self.compile(self.table[entry])
        return made


_MAJOR: Final = Tag.PROTOCOL_VERSION_MAJOR << 8 | ItemType.INTEGER
_MINOR: Final = Tag.PROTOCOL_VERSION_MINOR << 8 | ItemType.INTEGER


def read_version(buffer: bytes, start: int, stop: int) -> ProtocolVersion:
    if stop - start != 32:
        raise ProtocolError("a length does not match what it holds")
    head, size, major, rest = unpack_head(buffer, start)
    if head != _MAJOR or size != 4 or rest:
        raise malformed(head, size)
    head, size, minor, rest = unpack_head(buffer, start + 16)
    if head != _MINOR or size != 4 or rest:
        raise malformed(head, size)
    return ProtocolVersion(major, minor)


def write_version(version: ProtocolVersion, out: list[bytes]) -> int:
    out.append(struct.pack(">IIi4xIIi4x", _MAJOR, 4, version.major, _MINOR, 4, version.minor))
    return 32
