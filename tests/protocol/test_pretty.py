"""The printer: readable, one line per item, without secrets."""

import pytest
from hypothesis import given

from protocol.names import Tag
from protocol.pretty import SECRET_TAGS, pretty
from protocol.ttlv import Item, ItemType
from tests.protocol.items import ITEMS

SECRET = b"\xaa\xbb\xcc\xdd"


def structure(tag: Tag, *children: Item) -> Item:
    return Item(tag, ItemType.STRUCTURE, children)


def test_a_message() -> None:
    item = structure(
        Tag.ATTRIBUTES,
        Item(Tag.CRYPTOGRAPHIC_ALGORITHM, ItemType.ENUMERATION, 3),
        Item(Tag.CRYPTOGRAPHIC_USAGE_MASK, ItemType.INTEGER, 12),
        Item(Tag.CRYPTOGRAPHIC_LENGTH, ItemType.INTEGER, 256),
        Item(Tag.ACTIVATION_DATE, ItemType.DATE_TIME, 0),
        structure(Tag.NAME, Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "a\nb\u202e")),
        Item(Tag.SENSITIVE, ItemType.BOOLEAN, True),
        Item(Tag.STATE, ItemType.ENUMERATION, 0x80000001),
        Item(Tag.DIGEST_VALUE, ItemType.BYTE_STRING, SECRET),
        Item(0x540001, ItemType.BYTE_STRING, bytes(100)),
    )
    assert pretty(item).splitlines() == [
        "Attributes",
        "  CryptographicAlgorithm: AES",
        "  CryptographicUsageMask: Encrypt | Decrypt",
        "  CryptographicLength: 256",
        "  ActivationDate: 1970-01-01T00:00:00+00:00",
        "  Name",
        r"    NameValue: 'a\nb\u202e'",
        "  Sensitive: True",
        "  State: 0x80000001",
        "  DigestValue: aabbccdd",
        f"  0x540001: {'00' * 64}... (100 bytes)",
    ]


@pytest.mark.parametrize("tag", sorted(SECRET_TAGS | {Tag.KEY_VALUE}))
def test_secret_bytes_are_blanked(tag: Tag) -> None:
    text = pretty(structure(Tag.RESPONSE_PAYLOAD, Item(tag, ItemType.BYTE_STRING, SECRET)))
    assert "aabbccdd" not in text
    assert "<secret of 4 bytes>" in text


def test_structures_and_numbers_that_are_secret_are_blanked() -> None:
    exponent = Item(Tag.PRIVATE_EXPONENT, ItemType.BIG_INTEGER, 123456789)
    material = structure(Tag.KEY_MATERIAL, Item(Tag.MODULUS, ItemType.BIG_INTEGER, 987654321))
    text = pretty(structure(Tag.KEY_VALUE, material, exponent))
    assert text == "KeyValue\n  KeyMaterial: <secret>\n  PrivateExponent: <secret>"


@given(ITEMS)
def test_no_value_breaks_a_line(item: Item) -> None:
    text = pretty(item)
    assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) == {"\n"}
