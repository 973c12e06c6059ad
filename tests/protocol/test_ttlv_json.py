"""The JSON encoding: every form of a value, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ttlv_json
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from protocol.ttlv_json import from_json, to_json
from tests.protocol.items import ITEMS

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10))
NODES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.fixed_dictionaries(
            {"tag": st.sampled_from(["Name", "State", "CryptographicUsageMask", "0x540001", "Foo"])},
            optional={
                "type": st.sampled_from(["Structure", "Integer", "Enumeration", "BigInteger", "DateTime"]),
                "value": inner,
                "name": inner,
            },
        ),
    ),
    max_leaves=8,
)


@given(ITEMS)
def test_any_tree_round_trips(item: Item) -> None:
    assert from_json(to_json(item)) == item


@given(NODES)
def test_any_json_is_read_or_refused(node: object) -> None:
    try:
        item = from_json(json.dumps(node))
    except ProtocolError:
        return
    assert from_json(to_json(item)) == item


@pytest.mark.parametrize(
    ("text", "tag", "item_type", "value"),
    [
        ('{"tag": "0x420057", "type": "Enumeration", "value": 2}', Tag.OBJECT_TYPE, ItemType.ENUMERATION, 2),
        (
            '{"tag": "ObjectType", "type": "Enumeration", "value": "0x00000002"}',
            Tag.OBJECT_TYPE,
            ItemType.ENUMERATION,
            2,
        ),
        (
            '{"tag": "ObjectType", "type": "Enumeration", "value": "SymmetricKey"}',
            Tag.OBJECT_TYPE,
            ItemType.ENUMERATION,
            2,
        ),
        (
            '{"tag": "0x54FFFF", "name": "Some", "type": "Integer", "value": "0x00000001"}',
            0x54FFFF,
            ItemType.INTEGER,
            1,
        ),
        (
            '{"tag": "PrivateKeyTemplateAttribute", "value": []}',
            Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE,
            ItemType.STRUCTURE,
            (),
        ),
        ('{"tag": "Name", "type": "Structure", "value": null}', Tag.NAME, ItemType.STRUCTURE, ()),
        ('{"tag": "Name"}', Tag.NAME, ItemType.STRUCTURE, ()),
        ('{"tag": "BatchCount", "type": "Integer", "value": 10}', Tag.BATCH_COUNT, ItemType.INTEGER, 10),
        ('{"tag": "BatchCount", "type": "Integer", "value": "0xffffffff"}', Tag.BATCH_COUNT, ItemType.INTEGER, -1),
        (
            '{"tag": "CryptographicUsageMask", "type": "Integer", "value": "CertificateSign|0x00000004|0x0000008"}',
            Tag.CRYPTOGRAPHIC_USAGE_MASK,
            ItemType.INTEGER,
            0x100C,
        ),
        ('{"tag": "0x540001", "type": "LongInteger", "value": -2}', 0x540001, ItemType.LONG_INTEGER, -2),
        (
            '{"tag": "0x540001", "type": "LongInteger", "value": "0xfffffffffffffffe"}',
            0x540001,
            ItemType.LONG_INTEGER,
            -2,
        ),
        ('{"tag": "X", "type": "BigInteger", "value": 0}', Tag.X, ItemType.BIG_INTEGER, 0),
        ('{"tag": "X", "type": "BigInteger", "value": "0xffffffffffffffff"}', Tag.X, ItemType.BIG_INTEGER, -1),
        ('{"tag": "Fresh", "type": "Boolean", "value": true}', Tag.FRESH, ItemType.BOOLEAN, True),
        ('{"tag": "Fresh", "type": "Boolean", "value": "0x0000000000000001"}', Tag.FRESH, ItemType.BOOLEAN, True),
        (
            '{"tag": "MACSignature", "type": "ByteString", "value": "C50F"}',
            Tag.MAC_SIGNATURE,
            ItemType.BYTE_STRING,
            b"\xc5\x0f",
        ),
        (
            '{"tag": "ArchiveDate", "type": "DateTime", "value": "2001-01-01T10:00:00+10:00"}',
            Tag.ARCHIVE_DATE,
            ItemType.DATE_TIME,
            978307200,
        ),
        (
            '{"tag": "ArchiveDate", "type": "DateTime", "value": "0x000000003a505520"}',
            Tag.ARCHIVE_DATE,
            ItemType.DATE_TIME,
            0x3A505520,
        ),
        ('{"tag": "Offset", "type": "Interval", "value": 27}', Tag.OFFSET, ItemType.INTERVAL, 27),
        ('{"tag": "Offset", "type": "Interval", "value": "0x0000001b"}', Tag.OFFSET, ItemType.INTERVAL, 27),
    ],
)
def test_forms(text: str, tag: int, item_type: ItemType, value: object) -> None:
    assert from_json(text) == Item(tag, item_type, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "written"),
    [
        (Item(Tag.USAGE_LIMITS_COUNT, ItemType.LONG_INTEGER, 2**52 - 1), 2**52 - 1),
        (Item(Tag.USAGE_LIMITS_COUNT, ItemType.LONG_INTEGER, 2**52), "0x0010000000000000"),
        (Item(Tag.USAGE_LIMITS_COUNT, ItemType.LONG_INTEGER, 2**60), "0x1000000000000000"),
        (Item(Tag.USAGE_LIMITS_COUNT, ItemType.LONG_INTEGER, -(2**63)), "0x8000000000000000"),
        (Item(Tag.X, ItemType.BIG_INTEGER, 2**64), "0x00000000000000010000000000000000"),
        (Item(Tag.CRYPTOGRAPHIC_USAGE_MASK, ItemType.INTEGER, 12), "Encrypt|Decrypt"),
        (Item(Tag.CRYPTOGRAPHIC_USAGE_MASK, ItemType.INTEGER, 0), 0),
        (Item(Tag.OPAQUE_DATA_TYPE, ItemType.ENUMERATION, 0x80000001), "0x80000001"),
        (Item(Tag.ATTRIBUTE_REFERENCE, ItemType.ENUMERATION, Tag.STATE), "State"),
        (Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "a\0b"), "a\0b"),
    ],
)
def test_numbers_are_written_so_that_every_reader_gets_them_right(item: Item, written: object) -> None:
    assert json.loads(to_json(item))["value"] == written
    assert from_json(to_json(item)) == item


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not well-formed"),
        ("{", "not well-formed"),
        ("[" * 100_000, "not well-formed"),
        ('{"tag": "Name", "value": ' + "9" * 5000 + "}", "not well-formed"),
        ("[]", "an item is an object"),
        ('{"tag": "Name", "other": 1}', "an item is an object"),
        ('{"tag": "Name", "tag": "Name"}', "occurs twice"),
        ('{"tag": 4325377}', "tag of an item is a text"),
        ("{}", "tag of an item is a text"),
        ('{"tag": "Unheard"}', "'Unheard' is not the name of a tag"),
        ('{"tag": "Name", "type": 1}', "unknown item type"),
        ('{"tag": "Name", "type": "Struct"}', "unknown item type"),
        ('{"tag": "Name", "value": {}}', "Name: the value of a structure is an array"),
        ('{"tag": "Name", "value": [{"tag": "NameValue", "type": "TextString"}]}', "Name/NameValue: not a text"),
        ('{"tag": "BatchCount", "type": "Integer", "value": 1.5}', "fraction"),
        ('{"tag": "BatchCount", "type": "Integer", "value": NaN}', "fraction"),
        ('{"tag": "BatchCount", "type": "Integer", "value": true}', "not a number"),
        ('{"tag": "BatchCount", "type": "Integer", "value": 2147483648}', "out of the range"),
        ('{"tag": "BatchCount", "type": "Integer", "value": "10"}', "mask's bit"),
        ('{"tag": "Offset", "type": "Interval", "value": "27"}', "not a hexadecimal number"),
        ('{"tag": "State", "type": "Enumeration", "value": -1}', "out of the range"),
        ('{"tag": "State", "type": "Enumeration", "value": "Foo"}', "enumeration's value"),
        ('{"tag": "Fresh", "type": "Boolean", "value": 1}', "not true or false"),
        ('{"tag": "Fresh", "type": "Boolean", "value": "0x0000000000000002"}', "neither true nor false"),
        ('{"tag": "X", "type": "BigInteger", "value": true}', "not a number"),
        ('{"tag": "X", "type": "BigInteger", "value": "01"}', "not a hexadecimal number"),
        ('{"tag": "X", "type": "BigInteger", "value": "0x01"}', "multiple of 8"),
        ('{"tag": "NameValue", "type": "TextString", "value": "\\ud800"}', "surrogate"),
        ('{"tag": "Data", "type": "ByteString", "value": "0x00"}', "pairs of hexadecimal"),
        ('{"tag": "ArchiveDate", "type": "DateTime", "value": 0}', "not a date"),
        ('{"tag":"Name","value":[' * 33 + "]}" * 33, "more than 32 structures"),
    ],
)
def test_refusals(text: str, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        from_json(text)


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"tag": "Name"}'
    monkeypatch.setattr(ttlv_json, "MAX_TEXT", len(text))
    assert from_json(text) == Item(Tag.NAME, ItemType.STRUCTURE, ())
    with pytest.raises(ProtocolError, match="more than"):
        from_json(text + " ")


def test_the_attribute_name_says_what_names_the_value() -> None:
    item = Item(
        Tag.ATTRIBUTE,
        ItemType.STRUCTURE,
        (
            Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "Cryptographic Usage Mask"),
            Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 3),
        ),
    )
    assert '"Sign|Verify"' in to_json(item)
    assert from_json(to_json(item)) == item
