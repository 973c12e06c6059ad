"""The rules of attributes, and which of them a name has."""

from __future__ import annotations

from protocol.attributes import (
    ATTRIBUTE_BY_TAG,
    ATTRIBUTES,
    CUSTOM,
    Attribute,
    AttributeReference,
    spec_of,
)
from protocol.enums import ObjectType
from protocol.names import TAG_SINCE
from protocol.versions import V1_4, V2_1
from tests.protocol.test_attributes import AES, CUSTOM_ATTRIBUTE, NAME, VENDOR


def test_an_attribute_is_not_older_than_its_tag() -> None:
    for spec in ATTRIBUTES.values():
        since = max(spec.since, (1, 0))
        assert TAG_SINCE.get(spec.tag, (1, 0)) <= since, spec.name
        assert ATTRIBUTE_BY_TAG[spec.tag] is spec


def test_no_attribute_that_only_the_server_sets_can_be_changed_by_a_client() -> None:
    for spec in ATTRIBUTES.values():
        if spec.set_by == "server":
            assert not spec.modifiable_by_client, spec.name
            assert not spec.deletable_by_client, spec.name


def test_what_an_attribute_applies_to_depends_on_the_version() -> None:
    state = ATTRIBUTES["State"]
    assert state.applies_to(ObjectType.SYMMETRIC_KEY, V1_4)
    assert not state.applies_to(ObjectType.OPAQUE_OBJECT, V1_4)
    assert state.applies_to(ObjectType.OPAQUE_OBJECT, V2_1)
    assert not ATTRIBUTES["Certificate Length"].applies_to(ObjectType.SYMMETRIC_KEY)
    assert ATTRIBUTES["Name"].applies_to(ObjectType.TEMPLATE)


def test_names_keys_and_rules() -> None:
    assert spec_of(VENDOR.key) is spec_of(CUSTOM_ATTRIBUTE.key) is spec_of("y-made") is CUSTOM
    assert spec_of(AES.key) is ATTRIBUTES["Cryptographic Algorithm"]
    assert spec_of("No Such Thing") is None
    assert Attribute("Name", "x", vendor="acme").key != NAME.key
    assert AttributeReference("place", "acme").key == VENDOR.key
    assert AttributeReference("Name").key == NAME.key
