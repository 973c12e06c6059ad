"""What the XML and the JSON encoding share: names of tags and values, hexadecimal forms, dates.

KMIP Additional Message Encodings 1.0 §4.1 and §6.1, KMIP Profiles 1.3 §5.4.1 and §5.5.1.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import IntFlag
from functools import lru_cache
from typing import Final, TypeAlias

from protocol.enums import BY_XML_NAME, ENUMERATIONS, MASKS, XML_NAMES, Enumeration
from protocol.errors import ProtocolError
from protocol.names import TAG_BY_XML_NAME, TAG_ENUMERATION, Tag
from protocol.names import XML_NAMES as TAG_NAMES
from protocol.ttlv import RANGES, Item, ItemType, spelled

MAX_TEXT: Final = 64 * 1024 * 1024  # characters of one message; the caller's own limit is usually far lower
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TYPE_NAMES: Final = {item_type: XML_NAMES[ItemType][item_type] for item_type in ItemType}
TYPES: Final = {name: item_type for item_type, name in TYPE_NAMES.items()}

# What names the values of an item: an enumeration, a mask, or Tag where values are tags themselves.
Kind: TypeAlias = type[Enumeration] | type[IntFlag] | type[Tag] | None

_KINDS: Final[dict[str, Kind]] = {**ENUMERATIONS, **MASKS, "Tag": Tag}
_VALUES: Final = {**XML_NAMES, Tag: TAG_NAMES}
_VALUE_NAMES: Final = {**BY_XML_NAME, Tag: TAG_BY_XML_NAME}

_HEX_TAG: Final = re.compile(r"0?x([0-9A-Fa-f]{6})")  # an XML element cannot begin with a digit
_HEX: Final = re.compile(r"0x[0-9A-Fa-f]{1,16}")
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))?", re.ASCII)


def normalize(name: str) -> str:
    """A name of the specification as the encodings spell it: "X.509 Certificate Issuer" -> X_509CertificateIssuer.

    KMIP Additional Message Encodings 1.0 §4.1.3.
    """
    spaced = re.sub(r"\W([A-Za-z][a-z])", r" \1", re.sub("[()]", " ", name))
    words = [re.sub(r"\W", "_", word) for word in spaced.split()]
    if words:
        words[0] = re.sub(r"^(\d+)(.*)", r"\2\1", words[0])
    return "".join(word[:1].upper() + word[1:] for word in words)


@lru_cache(maxsize=512)
def _kind_of_attribute(name: str) -> Kind:
    return kind_of(TAG_BY_XML_NAME.get(normalize(name), 0))


def kind_of(tag: int) -> Kind:
    """What names the values of items with this tag, if anything does."""
    return _KINDS[TAG_ENUMERATION[tag]] if tag in TAG_ENUMERATION else None


def attribute_kind(children: Iterable[tuple[int, object]]) -> Kind:
    """What names the Attribute Value among these (tag, value) items of one structure.

    In 1.x the Attribute Name beside it tells. A vendor's attribute of 2.x may have the name of a standard one by
    accident, so its values have no names.
    """
    name = ""
    for tag, value in children:
        if tag == Tag.VENDOR_IDENTIFICATION:
            return None
        if tag == Tag.ATTRIBUTE_NAME and isinstance(value, str):
            name = value
    return _kind_of_attribute(name) if name else None


def kinds_of_children(item: Item) -> list[tuple[Item, Kind]]:
    """The items of a structure, each with what names its values."""
    children = item.value if isinstance(item.value, tuple) else ()
    beside: Kind = None
    if any(child.tag == Tag.ATTRIBUTE_VALUE for child in children):
        beside = attribute_kind((child.tag, child.value) for child in children)
    return [(child, beside if child.tag == Tag.ATTRIBUTE_VALUE else kind_of(child.tag)) for child in children]


def tag_from_text(text: str) -> int:
    """A tag by its name or as "0x420001". ProtocolError if it is neither."""
    if (tag := TAG_BY_XML_NAME.get(text)) is not None:
        return tag
    if (match := _HEX_TAG.fullmatch(text)) is None:
        raise ProtocolError(f"{text[:64]!r} is not the name of a tag")
    return int(match[1], 16)


def type_from_text(text: object) -> ItemType:
    """An item type by its name. ProtocolError if there is none."""
    if not isinstance(text, str) or text not in TYPES:
        raise ProtocolError("unknown item type")
    return TYPES[text]


def symbols(value: int, item_type: ItemType, kind: Kind, separator: str) -> str | None:
    """The name of an enumeration's value, the names of a mask's bits; None where the number says it better."""
    if kind is None:
        return None
    names = _VALUES[kind]
    if not issubclass(kind, IntFlag):
        return names.get(value) if item_type is ItemType.ENUMERATION else None
    if item_type is not ItemType.INTEGER or value == 0:
        return None
    words = [name for bit, name in names.items() if value & bit]
    if unnamed := value & 0xFFFFFFFF & ~sum(names):
        words.append(f"0x{unnamed:08X}")
    return separator.join(words)


def enumeration_from_text(text: str, kind: Kind) -> int:
    """An enumeration's value by name or as "0x00000001"."""
    if text.startswith("0x"):
        return from_hex(text, ItemType.ENUMERATION)
    if kind is None or (value := _VALUE_NAMES[kind].get(text)) is None:
        raise ProtocolError("unknown name of an enumeration's value")
    return value


def mask_from_text(words: Iterable[str], kind: Kind) -> int:
    """A mask, as the signed Integer that it is, from the names of bits and hexadecimal numbers."""
    mask = 0
    for word in words:
        if word.startswith("0x"):
            mask |= from_hex(word, ItemType.INTEGER) & 0xFFFFFFFF
        elif kind is None or (bit := _VALUE_NAMES[kind].get(word)) is None:
            raise ProtocolError("unknown name of a mask's bit")
        else:
            mask |= bit
    return mask - (mask >> 31 << 32)


def in_range(number: int, item_type: ItemType) -> int:
    """The number, if items of this type can carry it. ProtocolError otherwise."""
    low, high = RANGES.get(item_type, (number, number))
    if not low <= number <= high:
        raise ProtocolError(f"number out of the range of {spelled(item_type)}")
    return number


def from_hex(text: str, item_type: ItemType) -> int:
    """A fixed-width number from its big-endian two's complement digits, "0xFFFFFFFE" being -2 as Integer."""
    if _HEX.fullmatch(text) is None:
        raise ProtocolError("not a hexadecimal number")
    number = int(text, 16)
    low, high = RANGES[item_type]
    if low < 0 and number > high:
        number -= (high + 1) * 2
    return in_range(number, item_type)


def bytes_from_hex(text: str) -> bytes:
    """Bytes from pairs of hexadecimal digits, without blanks between them."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise ProtocolError("not pairs of hexadecimal digits") from None
    if len(data) * 2 != len(text):
        raise ProtocolError("blanks between hexadecimal digits")
    return data


def big_integer_from_hex(digits: str) -> int:
    """A Big Integer from its bytes, a multiple of 8."""
    data = bytes_from_hex(digits)
    if not data or len(data) % 8:
        raise ProtocolError("the bytes of a Big Integer are a multiple of 8")
    return int.from_bytes(data, "big", signed=True)


def date_to_text(value: int, item_type: ItemType) -> str:
    """A date in UTC, with microseconds where the type has them; hexadecimal outside the years 1 to 9999."""
    extended = item_type is ItemType.DATE_TIME_EXTENDED
    try:
        moment = EPOCH + (timedelta(microseconds=value) if extended else timedelta(seconds=value))
    except OverflowError:
        return f"0x{value & 0xFFFFFFFFFFFFFFFF:016X}"
    return moment.isoformat(timespec="microseconds" if extended else "seconds")


def date_from_text(text: str, item_type: ItemType) -> int:
    """POSIX seconds (DateTimeExtended: microseconds) of an xsd:dateTime or a hexadecimal number.

    Fractions are cut off to what the type holds; a date without offset is UTC.
    """
    if text.startswith("0x"):
        return from_hex(text, item_type)
    if (match := _DATE.fullmatch(text)) is None:
        raise ProtocolError("not a date of the form yyyy-mm-ddThh:mm:ss+hh:mm")
    *calendar, fraction, sign, hours, minutes = match.groups()
    micros = int(((fraction or "") + "000000")[:6])
    try:
        moment = datetime(*(int(part) for part in calendar), tzinfo=UTC) - EPOCH  # type: ignore[arg-type, misc]
    except ValueError:
        raise ProtocolError("no such date") from None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if int(minutes or 0) > 59 or offset > timedelta(hours=14):
        raise ProtocolError("no such offset from UTC")
    seconds = (moment + offset if sign == "-" else moment - offset) // timedelta(seconds=1)
    return seconds * 1_000_000 + micros if item_type is ItemType.DATE_TIME_EXTENDED else seconds
