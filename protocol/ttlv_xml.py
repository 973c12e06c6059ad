"""The XML encoding of item trees. KMIP Additional Message Encodings 1.0 §6, KMIP Profiles 1.3 §5.4.1.

Read with expat, item by item, without a document tree. A document type is refused, so there are no entities.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final
from xml.etree.ElementTree import ParseError, XMLParser

from protocol.errors import ProtocolError
from protocol.names import XML_NAMES, Tag
from protocol.ttlv import MAX_DEPTH, Item, ItemType, Value, check, encode_big_integer, name_of
from protocol.ttlv_text import (
    MAX_TEXT,
    TYPE_NAMES,
    Kind,
    attribute_kind,
    big_integer_from_hex,
    bytes_from_hex,
    date_from_text,
    date_to_text,
    enumeration_from_text,
    in_range,
    kind_of,
    kinds_of_children,
    mask_from_text,
    symbols,
    tag_from_text,
    type_from_text,
)

NAMESPACE: Final = "urn:oasis:tc:kmip:xmlns"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,20}")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def to_xml(item: Item) -> str:
    """The item as XML, indented. TypeError or ValueError where a value does not fit its type, or XML:

    text with characters that XML 1.0 cannot hold (most control characters) is a ValueError.
    """
    return "\n".join(_lines(item, kind_of(item.tag), ""))


def _lines(item: Item, kind: Kind, indent: str) -> Iterator[str]:
    check(item)
    known = XML_NAMES.get(item.tag)
    name = known or "TTLV"
    opening = f"{indent}<{name}" if known else f'{indent}<{name} tag="0x{item.tag:06X}"'
    if not isinstance(item.value, tuple):
        yield f'{opening} type="{TYPE_NAMES[item.type]}" value={_quoted(_value_to_text(item, kind))}/>'
    elif item.value:
        yield f"{opening}>"
        for child, kind_of_child in kinds_of_children(item):
            yield from _lines(child, kind_of_child, indent + "  ")
        yield f"{indent}</{name}>"
    else:
        yield f"{opening}/>"


def _quoted(text: str) -> str:
    if _NOT_XML.search(text):
        raise ValueError("text has a character that XML cannot hold")
    return f'"{text.translate(_ESCAPES)}"'


def _value_to_text(item: Item, kind: Kind) -> str:
    value = item.value
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return "true" if value else "false"
    number = int(value)  # type: ignore[arg-type]
    if item.type is ItemType.BIG_INTEGER:
        return encode_big_integer(number).hex()
    if item.type in (ItemType.DATE_TIME, ItemType.DATE_TIME_EXTENDED):
        return date_to_text(number, item.type)
    if (named := symbols(number, item.type, kind, " ")) is not None:
        return named
    return f"0x{number:08X}" if item.type is ItemType.ENUMERATION else str(number)


def from_xml(text: str) -> Item:
    """The item that an XML document is.

    ProtocolError with the path of the field for what is not well-formed, not KMIP's XML, deeper than 32 structures
    or longer than 64 Mi characters, and for a document type.
    """
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"more than {MAX_TEXT} characters")
    reader = _Reader()
    parser = XMLParser(target=reader)  # noqa: S314 - see the class
    try:
        parser.feed(text)
        return parser.close()  # type: ignore[return-value]
    except ProtocolError as error:
        error.path = (*reader.path(), *error.path)
        raise
    except (ParseError, UnicodeEncodeError):
        raise ProtocolError("not well-formed XML", path=reader.path()) from None


class _Element:
    """An element that has begun: its item's parts, and what is within it so far."""

    __slots__ = ("children", "name", "tag", "text", "type")

    def __init__(self, name: str, tag: int, item_type: ItemType, text: str | None) -> None:
        self.name, self.tag, self.type, self.text = name, tag, item_type, text
        self.children: list[_Element | Item] = []


class _Reader:
    """Receives the parser's events and puts items together.

    An Attribute Value is read last in its structure, since the Attribute Name beside it names its values.
    """

    def __init__(self) -> None:
        self._open: list[_Element] = []
        self._roots: list[Item] = []

    def path(self) -> tuple[str, ...]:
        return tuple(element.name for element in self._open)

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise ProtocolError("a document type is not allowed")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.removeprefix(f"{{{NAMESPACE}}}")
        if self._open and self._open[-1].type is not ItemType.STRUCTURE:
            raise ProtocolError("only a structure holds other items")
        given = {key: value for key, value in attributes.items() if not key.startswith("{")}
        tag = tag_from_text(given.pop("tag", "") if name == "TTLV" else name)
        item_type = type_from_text(given.pop("type", "Structure"))
        if item_type is ItemType.STRUCTURE and len(self._open) >= MAX_DEPTH:
            raise ProtocolError(f"more than {MAX_DEPTH} structures within each other")
        given.pop("name", None)
        text = given.pop("value", None)
        self._open.append(_Element(name_of(tag), tag, item_type, text))
        if given:
            raise ProtocolError("unknown XML attribute")
        if (text is None) != (item_type is ItemType.STRUCTURE):
            raise ProtocolError("a structure has no value, every other item has one")

    def data(self, text: str) -> None:
        if not text.isspace():
            raise ProtocolError("text between the elements")

    def end(self, _name: str) -> None:
        element = self._open[-1]
        if len(self._open) > 1 and element.tag == Tag.ATTRIBUTE_VALUE and element.text is not None:
            self._open.pop()
            self._open[-1].children.append(element)
            return
        item = self._item(element, kind_of(element.tag))
        self._open.pop()
        if self._open:
            self._open[-1].children.append(item)
        else:
            self._roots.append(item)

    def _item(self, element: _Element, kind: Kind) -> Item:
        if element.text is not None:
            return Item(element.tag, element.type, _value_from_text(element.text, element.type, kind))
        children = element.children
        beside = attribute_kind((item.tag, item.value) for item in children if isinstance(item, Item))
        items: list[Item] = []
        for child in children:
            if isinstance(child, Item):
                items.append(child)
                continue
            self._open.append(child)  # for the path of an error
            items.append(self._item(child, beside))
            self._open.pop()
        return Item(element.tag, element.type, tuple(items))

    def close(self) -> Item:
        return self._roots[0]  # the parser has made sure that there is one


def _decimal(text: str) -> int:
    if _DECIMAL.fullmatch(text) is None:
        raise ProtocolError("not a number")
    return int(text)


def _integer(text: str, kind: Kind) -> int:
    if _DECIMAL.fullmatch(text.strip()):
        return in_range(int(text), ItemType.INTEGER)
    if not (words := text.split()):
        raise ProtocolError("not a number")
    return mask_from_text(words, kind)


def _boolean(text: str, _kind: Kind) -> bool:
    if text not in _BOOLEANS:
        raise ProtocolError("neither true nor false")
    return _BOOLEANS[text]


_READERS: Final[dict[ItemType, Callable[[str, Kind], Value]]] = {
    ItemType.INTEGER: _integer,
    ItemType.LONG_INTEGER: lambda text, _kind: in_range(_decimal(text), ItemType.LONG_INTEGER),
    ItemType.BIG_INTEGER: lambda text, _kind: big_integer_from_hex(text),
    ItemType.ENUMERATION: enumeration_from_text,
    ItemType.BOOLEAN: _boolean,
    ItemType.TEXT_STRING: lambda text, _kind: text,
    ItemType.BYTE_STRING: lambda text, _kind: bytes_from_hex(text),
    ItemType.DATE_TIME: lambda text, _kind: date_from_text(text, ItemType.DATE_TIME),
    ItemType.INTERVAL: lambda text, _kind: in_range(_decimal(text), ItemType.INTERVAL),
    ItemType.DATE_TIME_EXTENDED: lambda text, _kind: date_from_text(text, ItemType.DATE_TIME_EXTENDED),
}


def _value_from_text(text: str, item_type: ItemType, kind: Kind) -> Value:
    if item_type is not ItemType.TEXT_STRING:
        text = text.strip()
    return _READERS[item_type](text, kind)
