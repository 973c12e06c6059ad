from __future__ import annotations

from typing import Any

import click
import pytest

from kmsd.cli.values import Named, NamedBits, by_name, date, plain, text
from protocol.attributes import Attribute
from protocol.enums import CryptographicAlgorithm, CryptographicUsageMask, LinkType, NameType, State
from protocol.names import Tag
from protocol.structures import Link, Name
from protocol.ttlv import Item, ItemType


@pytest.mark.parametrize("typed", ["HMAC_SHA256", "hmac-sha256", "HmacSha256"])
def test_names_are_typed_as_people_do(typed: str) -> None:
    kind = Named(CryptographicAlgorithm, "Cryptographic Algorithm")
    assert kind.convert(typed, None, None) == CryptographicAlgorithm.HMAC_SHA256
    assert kind.convert(CryptographicAlgorithm.AES, None, None) == CryptographicAlgorithm.AES


def test_bits_are_typed_with_commas() -> None:
    kind = NamedBits(CryptographicUsageMask, "Cryptographic Usage")
    wanted = CryptographicUsageMask.MAC_GENERATE | CryptographicUsageMask.SIGN
    assert kind.convert("macgenerate, Sign", None, None) == wanted
    assert kind.convert(wanted, None, None) == wanted
    with pytest.raises(click.BadParameter, match="'' is no KMIP Cryptographic Usage"):
        kind.convert("Sign,", None, None)


@pytest.mark.parametrize(
    ("value", "json", "line"),
    [
        (State.PRE_ACTIVE, "PreActive", "PreActive"),
        (State(0x80000001), "0x80000001", "0x80000001"),
        (CryptographicUsageMask.SIGN | CryptographicUsageMask.VERIFY, ["Sign", "Verify"], "Sign, Verify"),
        (b"\x01\xff", "01ff", "01ff"),
        (True, True, "yes"),
        (7, 7, "7"),
        (Name(name_value="a", name_type=NameType.URI), "a", "a"),
        (
            Link(link_type=LinkType.PRIVATE_KEY_LINK, linked_object_identifier="1"),
            {"link_type": "PrivateKeyLink", "linked_object_identifier": "1"},
            "link type PrivateKeyLink, linked object identifier 1",
        ),
        (Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "mine"), "mine", "mine"),
        (Item(Tag.ATTRIBUTE_VALUE, ItemType.DATE_TIME, 0), "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        (
            Item(Tag.ATTRIBUTE_VALUE, ItemType.STRUCTURE, (Item(Tag.KEY, ItemType.BYTE_STRING, b"\x01"),)),
            [{"tag": "Key", "value": "01"}],
            "tag Key, value 01",
        ),
        (None, None, ""),
    ],
)
def test_values_have_a_form_for_programs_and_one_for_people(value: Any, json: Any, line: str) -> None:
    assert plain(value) == json
    assert text(plain(value)) == line


def test_attributes_go_by_name() -> None:
    name = Name(name_value="a", name_type=NameType.UNINTERPRETED_TEXT_STRING)
    custom = Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 3)
    assert by_name(
        [
            Attribute("Name", name),
            Attribute("Activation Date", 0),
            Attribute("x-colour", custom),
            Attribute("Name", custom, vendor="acme"),
        ]
    ) == {"Name": ["a"], "Activation Date": "1970-01-01T00:00:00Z", "x-colour": [3], "acme:Name": [3]}


def test_a_date_beyond_the_calendar_is_a_number() -> None:
    assert date(1 << 62) == str(1 << 62)
