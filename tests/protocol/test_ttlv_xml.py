"""The XML encoding: every form of a value, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ttlv_xml
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from protocol.ttlv_text import normalize
from protocol.ttlv_xml import from_xml, to_xml
from tests.protocol.items import ITEMS

STATE_AES = (  # the algorithm is no state
    "<Attribute><AttributeName type='TextString' value='State'/>"
    "<AttributeValue type='Enumeration' value='AES'/></Attribute>"
)


@given(ITEMS)
def test_any_tree_round_trips(item: Item) -> None:
    assert from_xml(to_xml(item)) == item


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        from_xml(text)


@pytest.mark.parametrize(
    ("xml", "tag", "item_type", "value"),
    [
        ('<BatchCount type="Integer" value="10"/>', Tag.BATCH_COUNT, ItemType.INTEGER, 10),
        ('<BatchCount type="Integer" value="-1"/>', Tag.BATCH_COUNT, ItemType.INTEGER, -1),
        ('<BatchCount type="Integer" value="0xffffffff"/>', Tag.BATCH_COUNT, ItemType.INTEGER, -1),
        (
            '<CryptographicUsageMask type="Integer" value="Encrypt Decrypt CertificateSign"/>',
            Tag.CRYPTOGRAPHIC_USAGE_MASK,
            ItemType.INTEGER,
            0x100C,
        ),
        (
            '<CryptographicUsageMask type="Integer" value="CertificateSign 0x00000004 0x0000008"/>',
            Tag.CRYPTOGRAPHIC_USAGE_MASK,
            ItemType.INTEGER,
            0x100C,
        ),
        (
            '<CryptographicUsageMask type="Integer" value="12"/>',
            Tag.CRYPTOGRAPHIC_USAGE_MASK,
            ItemType.INTEGER,
            12,
        ),
        (
            '<UsageLimitsCount type="LongInteger" value="1152921504606846976"/>',
            Tag.USAGE_LIMITS_COUNT,
            ItemType.LONG_INTEGER,
            2**60,
        ),
        ('<x540001 type="LongInteger" value="-2"/>', 0x540001, ItemType.LONG_INTEGER, -2),
        ('<X type="BigInteger" value="ffffffffffffffff"/>', Tag.X, ItemType.BIG_INTEGER, -1),
        ('<ObjectType type="Enumeration" value="0x00000002"/>', Tag.OBJECT_TYPE, ItemType.ENUMERATION, 2),
        ('<ObjectType type="Enumeration" value="SymmetricKey"/>', Tag.OBJECT_TYPE, ItemType.ENUMERATION, 2),
        (
            '<AttributeReference type="Enumeration" value="State"/>',
            Tag.ATTRIBUTE_REFERENCE,
            ItemType.ENUMERATION,
            Tag.STATE,
        ),
        (
            '<UniqueIdentifier type="Enumeration" value="IDPlaceholder"/>',
            Tag.UNIQUE_IDENTIFIER,
            ItemType.ENUMERATION,
            1,
        ),
        ('<BatchOrderOption type="Boolean" value="true"/>', Tag.BATCH_ORDER_OPTION, ItemType.BOOLEAN, True),
        ('<BatchOrderOption type="Boolean" value="0"/>', Tag.BATCH_ORDER_OPTION, ItemType.BOOLEAN, False),
        ('<NameValue type="TextString" value=" a &lt;b&gt; "/>', Tag.NAME_VALUE, ItemType.TEXT_STRING, " a <b> "),
        ('<MACSignature type="ByteString" value="C50f77"/>', Tag.MAC_SIGNATURE, ItemType.BYTE_STRING, b"\xc5\x0f\x77"),
        ('<Offset type="Interval" value="27"/>', Tag.OFFSET, ItemType.INTERVAL, 27),
        (
            '<TTLV tag="0x420001" name="ActivationDate" type="DateTime" value="2001-01-01T10:00:00+10:00"/>',
            Tag.ACTIVATION_DATE,
            ItemType.DATE_TIME,
            978307200,
        ),
        (
            '<TTLV xmlns="urn:oasis:tc:kmip:xmlns" tag="0x545352" type="TextString" value="x"/>',
            0x545352,
            ItemType.TEXT_STRING,
            "x",
        ),
        ("<PrivateKeyTemplateAttribute type='Structure'/>", Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, ItemType.STRUCTURE, ()),
        ("<!-- c --> <Name/>", Tag.NAME, ItemType.STRUCTURE, ()),
    ],
)
def test_forms(xml: str, tag: int, item_type: ItemType, value: object) -> None:
    assert from_xml(xml) == Item(tag, item_type, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("2001-01-01T10:00:00+10:00", 978307200),
        ("2001-01-01T10:00:00.999+10:00", 978307200),
        ("0x000000003a505520", 978343200),
        ("0xffffffffffffffff", -1),
        ("0001-01-01T00:00:00+00:00", -62135596800),
        ("9999-12-31T23:59:59Z", 253402300799),
    ],
)
def test_dates(text: str, value: int) -> None:
    item = from_xml(f'<ArchiveDate type="DateTime" value="{text}"/>')
    assert item.value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2001-01-01T10:00:00+10:00", 978307200_000000),
    ],
)
def test_extended_dates(text: str, value: int) -> None:
    assert from_xml(f'<ArchiveDate type="DateTimeExtended" value="{text}"/>').value == value


@pytest.mark.parametrize(
    ("xml", "problem"),
    [
        ("", "not well-formed"),
        ("<Name>", "not well-formed"),
        ("<Name/><Name/>", "not well-formed"),
        ("<Name>\ud800</Name>", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Name/>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><Name/>', "document type"),
        ('<NameValue type="TextString" value="&b;"/>', "not well-formed"),
        ("<Unheard/>", "'Unheard' is not the name of a tag"),
        ("<TTLV/>", "not the name of a tag"),
        ('<TTLV tag="0x42"/>', "not the name of a tag"),
        ('<a:Name xmlns:a="urn:other"/>', "not the name of a tag"),
        ('<Name type="Struct"/>', "unknown item type"),
        ('<Name other="1"/>', "Name: unknown XML attribute"),
        ('<Name value="1"/>', "Name: a structure has no value"),
        ('<NameValue type="TextString"/>', "NameValue: a structure has no value, every other"),
        ("<Name>text</Name>", "Name: text between"),
        ('<NameValue type="TextString" value="a"><Name/></NameValue>', "NameValue: only a structure"),
        ('<Name><BatchCount type="Integer" value=""/></Name>', "Name/BatchCount: not a number"),
        ('<BatchCount type="Integer" value="2147483648"/>', "out of the range of Integer"),
        ('<BatchCount type="Integer" value="Sign"/>', "mask's bit"),
        ('<CryptographicUsageMask type="Integer" value="Sign Foo"/>', "mask's bit"),
        ('<Offset type="Interval" value="-1"/>', "out of the range of Interval"),
        ('<Offset type="Interval" value="1e3"/>', "not a number"),
        ('<Offset type="Interval" value="\u0661"/>', "not a number"),
        ('<State type="Enumeration" value="Foo"/>', "enumeration's value"),
        ('<State type="Enumeration" value="0x123456789"/>', "out of the range of Enumeration"),
        ('<State type="Enumeration" value="0x"/>', "not a hexadecimal number"),
        ('<NameValue type="Enumeration" value="Active"/>', "enumeration's value"),
        ('<Fresh type="Boolean" value="True"/>', "neither true nor false"),
        ('<Data type="ByteString" value="0"/>', "pairs of hexadecimal"),
        ('<Data type="ByteString" value="00 11"/>', "blanks"),
        ('<X type="BigInteger" value="00"/>', "multiple of 8"),
        ('<X type="BigInteger" value=""/>', "multiple of 8"),
        ('<ArchiveDate type="DateTime" value="2001-01-01"/>', "not a date"),
        ('<ArchiveDate type="DateTime" value="2001-02-29T00:00:00Z"/>', "no such date"),
        ('<ArchiveDate type="DateTime" value="2001-01-01T00:00:00+15:00"/>', "no such offset"),
        ('<ArchiveDate type="DateTime" value="2001-01-01T00:00:00+10:60"/>', "no such offset"),
        ("<Name>" * 33 + "</Name>" * 33, "more than 32 structures"),
        (STATE_AES, "Attribute/AttributeValue: unknown name"),
    ],
)
def test_refusals(xml: str, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        from_xml(xml)


def attribute(name: str, item_type: ItemType, value: int, *before: Item) -> Item:
    children = (
        *before,
        Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, name),
        Item(Tag.ATTRIBUTE_VALUE, item_type, value),
    )
    return Item(Tag.ATTRIBUTE, ItemType.STRUCTURE, children)


@pytest.mark.parametrize(
    ("item", "written"),
    [
        (attribute("Cryptographic Algorithm", ItemType.ENUMERATION, 3), 'value="AES"'),
        (attribute("Cryptographic  Algorithm", ItemType.ENUMERATION, 3), 'value="AES"'),
        (attribute("Cryptographic Usage Mask", ItemType.INTEGER, 3), 'value="Sign Verify"'),
        (attribute("Cryptographic Length", ItemType.INTEGER, 128), 'value="128"'),
        (attribute("x-Purpose", ItemType.ENUMERATION, 3), 'value="0x00000003"'),
        (
            attribute("State", ItemType.ENUMERATION, 2, Item(Tag.VENDOR_IDENTIFICATION, ItemType.TEXT_STRING, "x")),
            'value="0x00000002"',
        ),
    ],
)
def test_the_attribute_name_says_what_names_the_value(item: Item, written: str) -> None:
    for tag in (Tag.ATTRIBUTE, Tag.NEW_ATTRIBUTE, Tag.CURRENT_ATTRIBUTE):
        held = Item(tag, item.type, item.value)
        assert written in to_xml(held)
        assert from_xml(to_xml(held)) == held


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "<Name/>"
    monkeypatch.setattr(ttlv_xml, "MAX_TEXT", len(text))
    assert from_xml(text) == Item(Tag.NAME, ItemType.STRUCTURE, ())
    with pytest.raises(ProtocolError, match="more than"):
        from_xml(text + " ")


def test_the_attribute_name_may_follow() -> None:
    item = from_xml(
        "<Attribute><AttributeValue type='Enumeration' value='AES'/>"
        "<AttributeName type='TextString' value='Cryptographic Algorithm'/></Attribute>"
    )
    assert item.find(Tag.ATTRIBUTE_VALUE) == Item(Tag.ATTRIBUTE_VALUE, ItemType.ENUMERATION, 3)


def test_mask_bits_without_a_name_are_kept() -> None:
    mask = Item(Tag.CRYPTOGRAPHIC_USAGE_MASK, ItemType.INTEGER, 0x40000001 - 2**31)
    assert 'value="Sign 0xC0000000"' in to_xml(mask)
    assert from_xml(to_xml(mask)) == mask


def test_text_that_xml_cannot_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="XML cannot hold"):
        to_xml(Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "a\0b"))


def test_unknown_tags_take_the_general_form() -> None:
    assert to_xml(Item(0x540001, ItemType.BOOLEAN, True)) == '<TTLV tag="0x540001" type="Boolean" value="true"/>'


@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        ("Cryptographic Usage Mask", "CryptographicUsageMask"),
        ("X.509 Certificate Issuer", "X_509CertificateIssuer"),
        ("IV/Counter/Nonce", "IVCounterNonce"),
        ("PKCS#1", "PKCS_1"),
        ("3DES", "DES3"),
        ("Re-key", "ReKey"),
        ("HMAC-SHA256", "HMAC_SHA256"),
        ("DSA with SHA-1", "DSAWithSHA_1"),
        ("MD2 with RSA Encryption (PKCS#1 v1.5)", "MD2WithRSAEncryptionPKCS_1V1_5"),
        ("", ""),
    ],
)
def test_normalized_names(name: str, normalized: str) -> None:
    assert normalize(name) == normalized
