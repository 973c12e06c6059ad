"""The binary encoding of KMIP items, for any tree of items. KMIP 1.4 §9.1, 2.1 §10.

An item is a tag (3 bytes), a type (1), a length (4, big endian, without padding) and a value, which is padded
with zeros to a multiple of 8. This module reads and writes generic trees; the structures of the specification
have compiled codecs of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from protocol.enums import ItemType
from protocol.errors import ProtocolError
from protocol.names import XML_NAMES

__all__ = ["MAX_DEPTH", "RANGES", "VALUE_TYPES", "Item", "ItemType", "Value"]
__all__ += ["check", "decode", "encode", "encode_big_integer", "name_of", "spelled"]

MAX_DEPTH: Final = 32  # structures within structures; the deepest message of the specification has about 12

Value: TypeAlias = "int | bool | str | bytes | tuple[Item, ...]"


@dataclass(slots=True, frozen=True)
class Item:
    """One item: 24-bit tag, type, and a value of the Python type that VALUE_TYPES gives.

    Enumeration, Interval and DateTime (POSIX seconds; DateTimeExtended: microseconds) are ints.
    """

    tag: int
    type: ItemType
    value: Value

    def find(self, tag: int) -> "Item | None":
        """The first item with this tag directly within this structure."""
        children = self.value if isinstance(self.value, tuple) else ()
        return next((child for child in children if child.tag == tag), None)


VALUE_TYPES: Final[dict[ItemType, type]] = {
    ItemType.STRUCTURE: tuple,
    ItemType.INTEGER: int,
    ItemType.LONG_INTEGER: int,
    ItemType.BIG_INTEGER: int,
    ItemType.ENUMERATION: int,
    ItemType.BOOLEAN: bool,
    ItemType.TEXT_STRING: str,
    ItemType.BYTE_STRING: bytes,
    ItemType.DATE_TIME: int,
    ItemType.INTERVAL: int,
    ItemType.DATE_TIME_EXTENDED: int,
}
# Lowest and highest value of the integral types of a fixed width.
RANGES: Final[dict[ItemType, tuple[int, int]]] = {
    ItemType.INTEGER: (-(2**31), 2**31 - 1),
    ItemType.LONG_INTEGER: (-(2**63), 2**63 - 1),
    ItemType.ENUMERATION: (0, 2**32 - 1),
    ItemType.DATE_TIME: (-(2**63), 2**63 - 1),
    ItemType.INTERVAL: (0, 2**32 - 1),
    ItemType.DATE_TIME_EXTENDED: (-(2**63), 2**63 - 1),
}
_HEADER: Final = Struct(">II")
_SIGNED_32: Final = Struct(">i4x")
_UNSIGNED_32: Final = Struct(">I4x")
_SIGNED_64: Final = Struct(">q")
# Type -> layout with its padding, and the length that the header says.
_FIXED: Final[dict[ItemType, tuple[Struct, int]]] = {
    ItemType.INTEGER: (_SIGNED_32, 4),
    ItemType.LONG_INTEGER: (_SIGNED_64, 8),
    ItemType.ENUMERATION: (_UNSIGNED_32, 4),
    ItemType.DATE_TIME: (_SIGNED_64, 8),
    ItemType.INTERVAL: (_UNSIGNED_32, 4),
    ItemType.DATE_TIME_EXTENDED: (_SIGNED_64, 8),
}
_TYPES: Final = {int(item_type): item_type for item_type in VALUE_TYPES}
_ZEROS: Final = bytes(8)


def name_of(tag: int) -> str:
    """The specification's name of a tag, or its number as hexadecimal digits."""
    return XML_NAMES.get(tag) or f"0x{tag:06X}"


def encode_big_integer(value: int) -> bytes:
    """Two's complement in as few blocks of 8 bytes as hold it. KMIP 2.1 §10.1.4."""
    bits = (value if value >= 0 else ~value).bit_length() + 1
    return value.to_bytes(-(-bits // 64) * 8, "big", signed=True)


def check(item: Item) -> None:
    """Raise TypeError or ValueError unless the value is one that the item's type can carry."""
    wanted = VALUE_TYPES[item.type]
    if not isinstance(item.value, wanted) or (wanted is int and isinstance(item.value, bool)):
        raise TypeError(f"{name_of(item.tag)}: {item.type.name} takes {wanted.__name__}")
    if item.type in RANGES:
        low, high = RANGES[item.type]
        if not low <= item.value <= high:  # type: ignore[operator]
            raise ValueError(f"{name_of(item.tag)}: out of the range of {item.type.name}")
    if not 0 <= item.tag <= 0xFFFFFF:
        raise ValueError(f"tag 0x{item.tag:X} is not of three bytes")


def encode(item: Item) -> bytes:
    """The bytes of an item. TypeError or ValueError where a value does not fit its type."""
    parts: list[bytes] = []
    _encode(item, parts.append)
    return b"".join(parts)


def _encode(item: Item, write: Callable[[bytes], object]) -> int:
    """Write an item; returns how many bytes that were."""
    check(item)
    value = item.value
    head = item.tag << 8 | item.type
    if isinstance(value, tuple):
        inner: list[bytes] = []
        length = sum(_encode(child, inner.append) for child in value)
        write(_HEADER.pack(head, length))
        write(b"".join(inner))
        return 8 + length
    if item.type in _FIXED:
        layout, length = _FIXED[item.type]
        body = layout.pack(value)
    elif isinstance(value, bool):
        length, body = 8, _SIGNED_64.pack(value)
    else:
        if isinstance(value, str):
            body = value.encode()
        elif isinstance(value, int):
            body = encode_big_integer(value)
        else:
            body = value
        length = len(body)
        body += _ZEROS[: -length % 8]
    write(_HEADER.pack(head, length))
    write(body)
    return 8 + len(body)


def spelled(item_type: ItemType) -> str:
    """An item type as the specification writes it."""
    return item_type.name.replace("_", " ").title() if item_type.known else f"item of type {item_type:d}"


def decode(data: bytes) -> Item:
    """The item that `data` is, from the first byte to the last.

    Strict: ProtocolError with the path of the field for an unknown type, a length that the type cannot have
    or that leaves its structure, padding that is not zero, a Boolean other than 0 and 1, text that is not UTF-8,
    more than MAX_DEPTH structures within each other, and bytes left over.
    """
    item, end = _decode(data, 0, len(data), MAX_DEPTH)
    if end != len(data):
        raise ProtocolError(f"{len(data) - end} bytes after the end of the item", path=(name_of(item.tag),))
    return item


def _decode(data: bytes, at: int, limit: int, depth: int) -> tuple[Item, int]:
    if limit - at < 8:
        raise ProtocolError("item is cut short in its header")
    head, length = _HEADER.unpack_from(data, at)
    tag = head >> 8
    try:
        item_type = _TYPES.get(head & 0xFF)
        if item_type is None:
            raise ProtocolError(f"unknown item type 0x{head & 0xFF:02X}")
        start = at + 8
        if length > limit - start:
            raise ProtocolError("length reaches past the end of what holds the item")
        if item_type is ItemType.STRUCTURE:
            return Item(tag, item_type, _decode_children(data, start, start + length, depth - 1)), start + length
        end = start + length + -length % 8
        if end > limit:
            raise ProtocolError("item is cut short in its padding")
        padding = end - start - length
        if padding and data[end - padding : end] != _ZEROS[:padding]:
            raise ProtocolError("padding is not zero")
        return Item(tag, item_type, _decode_value(data, start, length, item_type)), end
    except ProtocolError as error:
        error.within(name_of(tag))
        raise


def _decode_children(data: bytes, at: int, end: int, depth: int) -> tuple[Item, ...]:
    if depth < 0:
        raise ProtocolError(f"more than {MAX_DEPTH} structures within each other")
    children: list[Item] = []
    while at < end:
        child, at = _decode(data, at, end, depth)
        children.append(child)
    return tuple(children)


def _decode_value(data: bytes, at: int, length: int, item_type: ItemType) -> Value:
    if item_type in _FIXED:
        layout, wanted = _FIXED[item_type]
        if length != wanted:
            raise ProtocolError(f"{spelled(item_type)} of {length} bytes instead of {wanted}")
        value: int = layout.unpack_from(data, at)[0]
        return value
    body = data[at : at + length]
    if item_type is ItemType.BYTE_STRING:
        return body
    if item_type is ItemType.TEXT_STRING:
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise ProtocolError("text is not UTF-8") from None
    if item_type is ItemType.BOOLEAN:
        if length != 8 or body[:7] != _ZEROS[:7] or body[7] > 1:
            raise ProtocolError("Boolean is neither 0 nor 1 in 8 bytes")
        return body[7] == 1
    if length == 0 or length % 8:
        raise ProtocolError(f"{spelled(item_type)} of {length} bytes instead of a positive multiple of 8")
    return int.from_bytes(body, "big", signed=True)  # leading sign blocks are legal, and dropped
