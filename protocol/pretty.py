"""Messages as text for people and logs, without their secrets."""

from collections.abc import Iterator
from typing import Final

from protocol.names import Tag
from protocol.ttlv import Item, ItemType, name_of
from protocol.ttlv_text import Kind, date_to_text, kind_of, kinds_of_children, symbols

# What these hold is key material, can be turned into it, or lets somebody in. Where a tag also has a harmless use
# (the P of DSA domain parameters is public, that of an RSA key is not) the harmful one decides.
SECRET_TAGS: Final = frozenset(
    {
        Tag.CRT_COEFFICIENT,
        Tag.D,
        Tag.DATA,
        Tag.DERIVATION_DATA,
        Tag.HASHED_PASSWORD,
        Tag.KEY,
        Tag.KEY_MATERIAL,
        Tag.NONCE_VALUE,
        Tag.ONE_TIME_PASSWORD,
        Tag.OPAQUE_DATA_VALUE,
        Tag.P,
        Tag.PASSWORD,
        Tag.PKCS_11_INPUT_PARAMETERS,
        Tag.PKCS_11_OUTPUT_PARAMETERS,
        Tag.PRIME_EXPONENT_P,
        Tag.PRIME_EXPONENT_Q,
        Tag.PRIVATE_EXPONENT,
        Tag.Q,
        Tag.SERVER_HASHED_PASSWORD,
        Tag.TICKET_VALUE,
        Tag.X,
    }
)
_LONGEST: Final = 64  # bytes of a byte string that are shown


def pretty(item: Item) -> str:
    """The item as indented lines: names, values by name, bytes as hexadecimal digits (shortened), no secrets.

    Text is quoted and escaped, so that no value can forge a line.
    """
    return "\n".join(_lines(item, kind_of(item.tag), ""))


def _lines(item: Item, kind: Kind, indent: str) -> Iterator[str]:
    label = f"{indent}{name_of(item.tag)}"
    if item.tag in SECRET_TAGS or (item.tag == Tag.KEY_VALUE and isinstance(item.value, bytes)):
        size = f" of {len(item.value)} bytes" if isinstance(item.value, bytes) else ""
        yield f"{label}: <secret{size}>"
    elif isinstance(item.value, tuple):
        yield label
        for child, kind_of_child in kinds_of_children(item):
            yield from _lines(child, kind_of_child, indent + "  ")
    else:
        yield f"{label}: {_value(item, item.value, kind)}"


def _value(item: Item, value: int | str | bytes, kind: Kind) -> str:
    if isinstance(value, bytes):
        more = f"... ({len(value)} bytes)" if len(value) > _LONGEST else ""
        return f"{value[:_LONGEST].hex()}{more}"
    if isinstance(value, str):
        return ascii(value)
    if item.type in (ItemType.DATE_TIME, ItemType.DATE_TIME_EXTENDED):
        return date_to_text(value, item.type)
    if item.type is ItemType.ENUMERATION:
        return symbols(value, item.type, kind, " ") or f"0x{value:08X}"
    return symbols(value, item.type, kind, " | ") or str(value)
