"""Names, texts and free items inside attributes, which no schema describes; how vendors' names map."""

from __future__ import annotations

from typing import Any, Final

from protocol.attribute_table import ATTRIBUTE_BY_TAG, ATTRIBUTES
from protocol.attributes import Attribute
from protocol.errors import ProtocolError
from protocol.names import TAG_BY_XML_NAME, Tag
from protocol.ttlv import Item, ItemType
from protocol.ttlv import decode as decode_item
from protocol.ttlv import encode as encode_item
from protocol.versions import V2_0
from protocol.wire import STRUCTURE, ZEROS, Fields, NotInVersion, malformed, name_of, pack_head, unpack_head

CUSTOM_PREFIXES: Final = ("x", "y")
NAME_HEAD: Final = Tag.ATTRIBUTE_NAME << 8 | ItemType.TEXT_STRING
VENDOR_HEAD: Final = Tag.VENDOR_IDENTIFICATION << 8 | ItemType.TEXT_STRING
ATTRIBUTE_HEAD: Final = Tag.ATTRIBUTE << 8 | STRUCTURE


_OF_VENDOR: Final = Fields((Tag.VENDOR_IDENTIFICATION, Tag.ATTRIBUTE_NAME, Tag.ATTRIBUTE_VALUE), V2_0)

_new = object.__new__


class _Blank:
    """An Attribute while it is being filled: same slots, not frozen, which is three times as fast to make."""

    __slots__ = ("index", "name", "value", "vendor")


def attribute_of(name: str, value: Any, index: int | None, vendor: str | None) -> Attribute:
    made: Any = _new(_Blank)
    made.name = name
    made.value = value
    made.index = index
    made.vendor = vendor
    made.__class__ = Attribute
    attribute: Attribute = made
    return attribute


def read_text(buffer: bytes, start: int, stop: int, expected: int) -> tuple[str, int]:
    if start >= stop:
        raise ProtocolError(f"{name_of(expected >> 8)} is missing")
    head, size, _, _ = unpack_head(buffer, start)
    end = start + 8 + size
    if head != expected:
        raise _OF_VENDOR.surplus(head)
    if end > stop or (size & 7 and buffer[end : end + 7 & -8] != ZEROS[size & 7]):
        raise malformed(head, size)
    return utf8(buffer[start + 8 : end]), end + 7 & -8


def utf8(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ProtocolError("not UTF-8") from None


def read_item(buffer: bytes, start: int, stop: int, tag: int) -> Item:
    """The item that fills the bytes exactly."""
    if start >= stop:
        raise ProtocolError(f"{name_of(tag)} is missing")
    item = decode_item(buffer[start:stop])
    if item.tag != tag:
        raise _OF_VENDOR.surplus(item.tag << 8 | item.type)
    return item


def text_item(head: int, text: str) -> bytes:
    data = text.encode()
    size = len(data)
    return pack_head(head, size) + data + ZEROS[size & 7]


def write_text(head: int, text: str, out: list[bytes]) -> int:
    item = text_item(head, text)
    out.append(item)
    return len(item)


def write_item(tag: int, item: Item, out: list[bytes]) -> int:
    data = encode_item(item if item.tag == tag else Item(tag, item.type, item.value))
    out.append(data)
    return len(data)


def write_vendor(vendor: str, name: str, value: Item, out: list[bytes]) -> int:
    mark = len(out)
    out.append(b"")
    size = write_text(VENDOR_HEAD, vendor, out) + write_text(NAME_HEAD, name, out)
    size += write_item(Tag.ATTRIBUTE_VALUE, value, out)
    out[mark] = pack_head(ATTRIBUTE_HEAD, size)
    return size + 8


def joined(vendor: str, name: str) -> tuple[str, str | None]:
    """Name and vendor in the one form: 2.x vendors x and y are the custom attributes of 1.x."""
    return (f"{vendor}-{name}", None) if vendor in CUSTOM_PREFIXES else (name, vendor)


def vendor_and_name(vendor: str | None, name: str) -> tuple[str | None, str]:
    """Vendor and name on the 2.x wire, no vendor for an attribute of the specification."""
    if vendor is None and name[1:2] == "-" and name[0] in CUSTOM_PREFIXES:
        return name[0], name[2:]
    return vendor, name


def name_of_tag(tag: int) -> str:
    spec = ATTRIBUTE_BY_TAG.get(tag)
    return name_of(tag) if spec is None else spec.name


def tag_of_name(name: str) -> int:
    spec = ATTRIBUTES.get(name)
    if spec is not None:
        return spec.tag
    if name in TAG_BY_XML_NAME:
        return TAG_BY_XML_NAME[name]
    try:
        return int(name, 16)
    except ValueError:
        raise NotInVersion("not an attribute of this version", path=(name,)) from None


def read_vendor(buffer: bytes, start: int, stop: int) -> Attribute:
    vendor, start = read_text(buffer, start, stop, VENDOR_HEAD)
    name, start = read_text(buffer, start, stop, NAME_HEAD)
    name, own = joined(vendor, name)
    return attribute_of(name, read_item(buffer, start, stop, Tag.ATTRIBUTE_VALUE), None, own)
