"""The JSON encoding of item trees. KMIP Additional Message Encodings 1.0 §4, KMIP Profiles 1.3 §5.5.1."""

import json
from collections.abc import Callable
from typing import Final, NoReturn

from protocol.errors import ProtocolError
from protocol.names import Tag
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
    from_hex,
    in_range,
    kind_of,
    kinds_of_children,
    mask_from_text,
    symbols,
    tag_from_text,
    type_from_text,
)

EXACT: Final = 2**52  # numbers from here on are written as hexadecimal text: a double would round them
_KEYS: Final = frozenset({"tag", "name", "type", "value"})


def to_json(item: Item) -> str:
    """The item as JSON, indented. TypeError or ValueError where a value does not fit its type."""
    return json.dumps(_to_object(item, kind_of(item.tag)), indent=1, ensure_ascii=False)


def _to_object(item: Item, kind: Kind) -> dict[str, object]:
    check(item)
    name = name_of(item.tag)
    if item.type is ItemType.STRUCTURE:
        return {"tag": name, "value": [_to_object(child, kind) for child, kind in kinds_of_children(item)]}
    return {"tag": name, "type": TYPE_NAMES[item.type], "value": _value_to_json(item, kind)}


def _value_to_json(item: Item, kind: Kind) -> str | int | bool:
    value = item.value
    if isinstance(value, str | bool):
        return value
    if isinstance(value, bytes):
        return value.hex()
    number = int(value)  # type: ignore[arg-type]
    if item.type in (ItemType.DATE_TIME, ItemType.DATE_TIME_EXTENDED):
        return date_to_text(number, item.type)
    if (named := symbols(number, item.type, kind, "|")) is not None:
        return named
    if item.type is ItemType.ENUMERATION:
        return f"0x{number:08X}"
    if -EXACT < number < EXACT:
        return number
    return f"0x{encode_big_integer(number).hex()}"


def from_json(text: str) -> Item:
    """The item that a JSON text is.

    ProtocolError with the path of the field for what is not JSON, not KMIP's JSON, deeper than 32 structures or
    longer than 64 Mi characters.
    """
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"more than {MAX_TEXT} characters")
    try:
        tree = json.loads(text, object_pairs_hook=_members, parse_float=_no_fraction, parse_constant=_no_fraction)
    except (ValueError, RecursionError):
        raise ProtocolError("not well-formed JSON") from None
    tag, item_type, value = _header(tree)
    return _item(tag, item_type, value, kind_of(tag), MAX_DEPTH)


def _no_fraction(_text: str) -> NoReturn:
    raise ProtocolError("KMIP has no numbers with a fraction")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ProtocolError("a member occurs twice in an object")
    return members


def _header(node: object) -> tuple[int, ItemType, object]:
    """Tag, type and undecoded value of a JSON object."""
    if not isinstance(node, dict) or not node.keys() <= _KEYS:
        raise ProtocolError("an item is an object of tag, name, type and value")
    tag = node.get("tag")
    if not isinstance(tag, str):
        raise ProtocolError("the tag of an item is a text")
    return tag_from_text(tag), type_from_text(node.get("type", "Structure")), node.get("value")


def _item(tag: int, item_type: ItemType, value: object, kind: Kind, depth: int) -> Item:
    try:
        if item_type is ItemType.STRUCTURE:
            return Item(tag, item_type, _children(value, depth - 1))
        return Item(tag, item_type, _READERS[item_type](value, kind))
    except ProtocolError as error:
        raise error.within(name_of(tag)) from None


def _children(value: object, depth: int) -> tuple[Item, ...]:
    if depth < 0:
        raise ProtocolError(f"more than {MAX_DEPTH} structures within each other")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ProtocolError("the value of a structure is an array")
    headers = [_header(node) for node in value]
    # What is text in JSON need not be a Text String: bytes and large numbers are written as text, too.
    beside = attribute_kind((tag, inner if kind is ItemType.TEXT_STRING else None) for tag, kind, inner in headers)
    return tuple(
        _item(tag, item_type, inner, beside if tag == Tag.ATTRIBUTE_VALUE else kind_of(tag), depth)
        for tag, item_type, inner in headers
    )


def _text(value: object, what: str = "a text") -> str:
    if not isinstance(value, str):
        raise ProtocolError(f"not {what}")
    return value


def _number(item_type: ItemType) -> Callable[[object, Kind], int]:
    """A reader of numbers of a fixed width: a JSON number or hexadecimal text."""

    def read(value: object, _kind: Kind) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return in_range(value, item_type)
        return from_hex(_text(value, "a number or hexadecimal text"), item_type)

    return read


_integer: Final = _number(ItemType.INTEGER)
_enumeration: Final = _number(ItemType.ENUMERATION)


def _integer_or_mask(value: object, kind: Kind) -> int:
    return mask_from_text(value.split("|"), kind) if isinstance(value, str) else _integer(value, kind)


def _big_integer(value: object, _kind: Kind) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _text(value, "a number or hexadecimal text")
    if not text.startswith("0x"):
        raise ProtocolError("not a hexadecimal number")
    return big_integer_from_hex(text[2:])


def _enumeration_or_name(value: object, kind: Kind) -> int:
    return enumeration_from_text(value, kind) if isinstance(value, str) else _enumeration(value, kind)


def _boolean(value: object, _kind: Kind) -> bool:
    if isinstance(value, bool):
        return value
    number = from_hex(_text(value, "true or false"), ItemType.LONG_INTEGER)
    if number not in (0, 1):
        raise ProtocolError("neither true nor false")
    return number == 1


def _text_string(value: object, _kind: Kind) -> str:
    text = _text(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ProtocolError("half of a surrogate pair is not a character") from None
    return text


def _date(item_type: ItemType) -> Callable[[object, Kind], int]:
    return lambda value, _kind: date_from_text(_text(value, "a date"), item_type)


_READERS: Final[dict[ItemType, Callable[[object, Kind], Value]]] = {
    ItemType.INTEGER: _integer_or_mask,
    ItemType.LONG_INTEGER: _number(ItemType.LONG_INTEGER),
    ItemType.BIG_INTEGER: _big_integer,
    ItemType.ENUMERATION: _enumeration_or_name,
    ItemType.BOOLEAN: _boolean,
    ItemType.TEXT_STRING: _text_string,
    ItemType.BYTE_STRING: lambda value, _kind: bytes_from_hex(_text(value, "hexadecimal digits")),
    ItemType.DATE_TIME: _date(ItemType.DATE_TIME),
    ItemType.INTERVAL: _number(ItemType.INTERVAL),
    ItemType.DATE_TIME_EXTENDED: _date(ItemType.DATE_TIME_EXTENDED),
}
