"""Replacements as values: links that are moved, instances that are united, protection that is gained."""

from __future__ import annotations

import pytest

from kmsd.domain import rekey
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import AttributeSet, ProtectionLevel
from protocol.attributes import Attribute
from protocol.enums import LinkType, ResultReason, State
from protocol.names import Tag
from protocol.structures import Link
from protocol.ttlv import Item, ItemType
from tests.domain.objects import NOW, key, name


def text(value: str) -> Item:
    return Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, value)


def test_a_link_is_moved_in_its_place_and_made_where_there_is_none() -> None:
    linked = rekey.link(rekey.link(key(), LinkType.CERTIFICATE_LINK, "a"), LinkType.PRIVATE_KEY_LINK, "p")
    linked = rekey.link(linked, LinkType.CERTIFICATE_LINK, "b")
    moved = rekey.relink(linked, LinkType.CERTIFICATE_LINK, "a", "c")
    assert moved.attributes.values("Link") == [
        Link(link_type=LinkType.CERTIFICATE_LINK, linked_object_identifier="c"),
        Link(link_type=LinkType.PRIVATE_KEY_LINK, linked_object_identifier="p"),
        Link(link_type=LinkType.CERTIFICATE_LINK, linked_object_identifier="b"),
    ]
    made = rekey.relink(key(), LinkType.CERTIFICATE_LINK, "a", "c")
    assert rekey.linked(made, LinkType.CERTIFICATE_LINK) == "c"
    assert rekey.linked(made, LinkType.PUBLIC_KEY_LINK) is None


def test_custom_attributes_are_copied_unless_the_request_has_its_own() -> None:
    old = key(State.ACTIVE, Attribute("x-owner", text("old")), Attribute("x-place", text("here")))
    asked = AttributeSet([Attribute("x-owner", text("new")), Attribute("x-owner", text("too"), index=1)])
    attributes = rekey.inherited(old, asked, None, NOW)
    assert attributes.values("x-owner") == [text("new"), text("too")]
    assert attributes.values("x-place") == [text("here")]


def test_values_of_both_are_united_once_each() -> None:
    old = key(State.ACTIVE, name("n"), Attribute("Object Group", "g"))
    asked = AttributeSet([name("m"), name("n"), Attribute("Object Group", "g"), Attribute("Object Group", "h")])
    first = rekey.inherited(old, asked, None, NOW)
    assert [n.name_value for n in first.values("Name")] == ["n", "m"]
    assert first.values("Object Group") == ["g", "h"]
    last = rekey.inherited(old, AttributeSet([name("m")]), None, NOW, names_first=False)
    assert [n.name_value for n in last.values("Name")] == ["m", "n"]
    assert [a.index for a in last.all("Name")] == [0, 1]


def test_what_moves_into_the_hsm_says_so_unless_the_request_says_otherwise() -> None:
    old = key(State.ACTIVE, Attribute("Sensitive", False), Attribute("Extractable", True))
    inherited = rekey.inherited(old, AttributeSet(), None, NOW)
    kept = rekey.for_protection(inherited, AttributeSet(), old, ProtectionLevel.SOFTWARE)
    assert (kept.get("Sensitive"), kept.get("Extractable")) == (False, True)
    moved = rekey.for_protection(inherited, AttributeSet(), old, ProtectionLevel.HSM)
    assert (moved.get("Sensitive"), moved.get("Extractable")) == (True, False)
    asked = AttributeSet([Attribute("Extractable", True)])
    stated = rekey.for_protection(inherited, asked, old, ProtectionLevel.HSM)
    assert (stated.get("Sensitive"), stated.get("Extractable")) == (True, True)


def test_what_has_no_value_here_has_no_replacement_here() -> None:
    with pytest.raises(KmsError) as caught:
        rekey.check_replaceable(key(material=None))
    assert caught.value.reason == ResultReason.KEY_VALUE_NOT_PRESENT
