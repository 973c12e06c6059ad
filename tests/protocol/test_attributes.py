"""One form of attributes in Python, two on the wire, one in the store."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.attributes import (
    Attribute,
    AttributeReference,
    Template,
    dump_attributes,
    load_attributes,
)
from protocol.compiler import decode, encode
from protocol.enums import CryptographicAlgorithm, NameType, State
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.operations.get_attributes import GetAttributesResponse
from protocol.operations.locate import LocateRequest
from protocol.schema import AttributeList, References, SingleAttribute, TwoForms, WireForm, structure
from protocol.structures import Name
from protocol.ttlv import Item, ItemType
from protocol.ttlv import decode as decode_item
from protocol.ttlv import encode as encode_item
from protocol.versions import V1_0, V1_2, V1_4, V2_0, V2_1
from tests.protocol import strategies

AES = Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES)
NAME = Attribute("Name", Name(name_value="n", name_type=NameType.URI), 1)
SENSITIVE = Attribute("Sensitive", True)
CUSTOM_ATTRIBUTE = Attribute("x-tenant", Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "acme"))
VENDOR = Attribute("place", Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 3), vendor="acme")


@structure(tag=Tag.REQUEST_PAYLOAD)
class InTemplate:
    template: Annotated[Template, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)]


@structure(tag=Tag.REQUEST_PAYLOAD)
class InList:
    attributes: Annotated[tuple[Attribute, ...], AttributeList()] = ()


@structure(tag=Tag.REQUEST_PAYLOAD)
class Single:
    attribute: Annotated[Attribute, SingleAttribute(Tag.NEW_ATTRIBUTE)]


@structure(tag=Tag.REQUEST_PAYLOAD)
class Named:
    attribute_references: Annotated[tuple[AttributeReference, ...], References()] = ()


@structure(tag=Tag.REQUEST_PAYLOAD)
class NamedOnce:
    attribute_reference: Annotated[AttributeReference | None, References()] = None


def tree(data: bytes) -> object:
    """Tags and values, nested."""

    def walk(item: Item) -> object:
        value = item.value
        return (Tag(item.tag), tuple(map(walk, value)) if isinstance(value, tuple) else value)

    return walk(decode_item(data))


def test_1_x_writes_names_and_2_x_writes_tags() -> None:
    value = InTemplate(template=Template((AES,)))
    assert tree(encode(value, V1_4)) == (
        Tag.REQUEST_PAYLOAD,
        (
            (
                Tag.TEMPLATE_ATTRIBUTE,
                ((Tag.ATTRIBUTE, ((Tag.ATTRIBUTE_NAME, "Cryptographic Algorithm"), (Tag.ATTRIBUTE_VALUE, 3))),),
            ),
        ),
    )
    assert tree(encode(value, V2_1)) == (
        Tag.REQUEST_PAYLOAD,
        ((Tag.ATTRIBUTES, ((Tag.CRYPTOGRAPHIC_ALGORITHM, 3),)),),
    )


def test_a_list_is_in_place_in_1_x_and_in_a_structure_in_2_x() -> None:
    value = InList(attributes=(AES, AES))
    payload = tree(encode(value, V1_4))
    assert isinstance(payload, tuple)
    assert [child[0] for child in payload[1]] == [Tag.ATTRIBUTE, Tag.ATTRIBUTE]
    payload = tree(encode(value, V2_0))
    assert isinstance(payload, tuple)
    assert [child[0] for child in payload[1]] == [Tag.ATTRIBUTES]
    for version in (V1_4, V2_0):
        assert decode(InList, encode(value, version), version) == value
        assert decode(InList, encode(InList(), version), version) == InList()


def test_a_single_attribute_has_a_structure_of_its_own_in_2_x() -> None:
    value = Single(attribute=AES)
    assert tree(encode(value, V2_0)) == (
        Tag.REQUEST_PAYLOAD,
        ((Tag.NEW_ATTRIBUTE, ((Tag.CRYPTOGRAPHIC_ALGORITHM, 3),)),),
    )
    for version in strategies.VERSIONS:
        assert decode(Single, encode(value, version), version) == value


def test_the_attribute_index_is_written_where_there_is_one() -> None:
    for index in (None, 0, 7):
        value = Single(attribute=Attribute("Name", NAME.value, index))
        assert decode(Single, encode(value, V1_2), V1_2) == value
        # 2.x has no index.
        assert decode(Single, encode(value, V2_1), V2_1).attribute.index is None


def test_template_names_are_of_1_x() -> None:
    value = InTemplate(template=Template((AES,), (NAME.value,)))
    assert decode(InTemplate, encode(value, V1_0), V1_0) == value
    assert decode(InTemplate, encode(value, V2_0), V2_0).template == Template((AES,))


def test_a_custom_attribute_is_the_vendor_attribute_x_in_2_x() -> None:
    value = Single(attribute=CUSTOM_ATTRIBUTE)
    assert tree(encode(value, V2_1)) == (
        Tag.REQUEST_PAYLOAD,
        (
            (
                Tag.NEW_ATTRIBUTE,
                (
                    (
                        Tag.ATTRIBUTE,
                        (
                            (Tag.VENDOR_IDENTIFICATION, "x"),
                            (Tag.ATTRIBUTE_NAME, "tenant"),
                            (Tag.ATTRIBUTE_VALUE, "acme"),
                        ),
                    ),
                ),
            ),
        ),
    )
    for version in strategies.VERSIONS:
        assert decode(Single, encode(value, version), version) == value


def test_another_vendors_attribute_is_of_2_x_only() -> None:
    assert decode(Single, encode(Single(attribute=VENDOR), V2_0), V2_0).attribute == VENDOR
    with pytest.raises(ProtocolError, match="no vendor attributes"):
        encode(Single(attribute=VENDOR), V1_4)
    assert decode(InList, encode(InList(attributes=(VENDOR, AES)), V1_4), V1_4).attributes == (AES,)


def test_attributes_and_values_that_came_later_are_left_out() -> None:
    newer = Attribute("Cryptographic Algorithm", CryptographicAlgorithm.CHACHA20)
    value = InList(attributes=(SENSITIVE, AES, newer))
    assert decode(InList, encode(value, V1_0), V1_0).attributes == (AES,)
    assert decode(InList, encode(value, V1_4), V1_4) == value
    with pytest.raises(ProtocolError, match="not an attribute of this version"):
        encode(Single(attribute=SENSITIVE), V1_0)


def test_what_is_no_attribute_is_kept_for_the_handler_to_refuse() -> None:
    unknown = Attribute("No Such Thing", Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1), 2)
    assert decode(Single, encode(Single(attribute=unknown), V1_4), V1_4).attribute == unknown
    item = Item(Tag.BATCH_COUNT, ItemType.INTEGER, 1)
    other = Attribute("BatchCount", item)
    assert decode(Single, encode(Single(attribute=other), V2_1), V2_1).attribute == other


def test_an_attribute_of_later_versions_is_read_as_an_unknown_one() -> None:
    data = encode(Single(attribute=SENSITIVE), V1_4)
    found = decode(Single, data, V1_0)
    assert found.attribute == Attribute("Sensitive", Item(Tag.ATTRIBUTE_VALUE, ItemType.BOOLEAN, True))
    assert encode(found, V1_0) == data
    generation = encode(Single(attribute=Attribute("Rotate Generation", 2)), V2_1)
    assert decode(Single, generation, V2_0).attribute.value == Item(Tag.ROTATE_GENERATION, ItemType.INTEGER, 2)
    assert encode(decode(Single, generation, V2_0), V2_0) == generation


def attribute_item(*children: Item) -> bytes:
    inner = Item(Tag.ATTRIBUTE, ItemType.STRUCTURE, children)
    return encode_item(Item(Tag.REQUEST_PAYLOAD, ItemType.STRUCTURE, (inner,)))


LENGTH_NAME = Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "Cryptographic Length")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(attribute_item(), id="nothing in it"),
        pytest.param(attribute_item(LENGTH_NAME), id="no value"),
        pytest.param(
            attribute_item(LENGTH_NAME, Item(Tag.ATTRIBUTE_INDEX, ItemType.INTEGER, 1)), id="an index and no value"
        ),
        pytest.param(
            attribute_item(
                LENGTH_NAME,
                Item(Tag.ATTRIBUTE_INDEX, ItemType.INTEGER, -1),
                Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1),
            ),
            id="a negative index",
        ),
        pytest.param(
            attribute_item(LENGTH_NAME, Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "1")), id="another type"
        ),
        pytest.param(
            attribute_item(LENGTH_NAME, *[Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1)] * 2), id="two values"
        ),
        pytest.param(attribute_item(Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1), LENGTH_NAME), id="the wrong order"),
        pytest.param(
            attribute_item(
                Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "x-a"), Item(Tag.DATA, ItemType.BYTE_STRING, b"")
            ),
            id="a custom value under another tag",
        ),
        pytest.param(
            attribute_item(LENGTH_NAME, Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1)).replace(
                b"Length\0\0\0\0", b"Length\0\0\0\1"
            ),
            id="padding of the name",
        ),
        pytest.param(
            attribute_item(
                Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "x-a"), Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1)
            ).replace(b"x-a", b"x-\xff"),
            id="a name that is not UTF-8",
        ),
    ],
)
def test_an_attribute_that_is_not_exactly_right_is_refused(data: bytes) -> None:
    for cls in (Single, InList):
        with pytest.raises(ProtocolError) as caught:
            decode(cls, data, V1_4)
        assert caught.value.path[:2] == ("RequestPayload", "Attribute")


def test_a_single_attribute_is_exactly_one() -> None:
    for attributes in ((), (AES, AES)):
        data = encode(InList(attributes=attributes), V2_0) if attributes else encode(InList(), V2_0)
        inner = decode_item(encode(InTemplate(template=Template(attributes)), V2_0)).value
        assert isinstance(inner, tuple)
        wrong = Item(Tag.NEW_ATTRIBUTE, ItemType.STRUCTURE, inner[0].value)
        data = encode_item(Item(Tag.REQUEST_PAYLOAD, ItemType.STRUCTURE, (wrong,)))
        with pytest.raises(ProtocolError, match="not one attribute"):
            decode(Single, data, V2_0)


def test_references_are_names_in_1_x_and_tags_or_vendors_names_in_2_x() -> None:
    value = Named(attribute_references=(AttributeReference("State"), AttributeReference("x-a")))
    payload = tree(encode(value, V1_2))
    assert payload == (Tag.REQUEST_PAYLOAD, ((Tag.ATTRIBUTE_NAME, "State"), (Tag.ATTRIBUTE_NAME, "x-a")))
    payload = tree(encode(value, V2_0))
    assert payload == (
        Tag.REQUEST_PAYLOAD,
        (
            (Tag.ATTRIBUTE_REFERENCE, Tag.STATE),
            (Tag.ATTRIBUTE_REFERENCE, ((Tag.VENDOR_IDENTIFICATION, "x"), (Tag.ATTRIBUTE_NAME, "a"))),
        ),
    )
    for version in strategies.VERSIONS:
        assert decode(Named, encode(value, version), version) == value


def test_a_reference_that_a_version_cannot_say_is_left_out_of_several() -> None:
    vendor, state = AttributeReference("place", "acme"), AttributeReference("State")
    value = Named(attribute_references=(vendor, state))
    assert decode(Named, encode(value, V1_4), V1_4).attribute_references == (state,)
    assert decode(Named, encode(value, V2_1), V2_1) == value
    with pytest.raises(ProtocolError):
        encode(NamedOnce(attribute_reference=vendor), V1_4)
    with pytest.raises(ProtocolError):
        encode(NamedOnce(attribute_reference=AttributeReference("No Such Thing")), V2_1)
    assert decode(NamedOnce, encode(NamedOnce(attribute_reference=state), V1_4), V1_4).attribute_reference == state


def test_a_reference_to_an_unknown_tag_is_kept() -> None:
    item = Item(Tag.ATTRIBUTE_REFERENCE, ItemType.ENUMERATION, 0x54ABCD)
    data = encode_item(Item(Tag.REQUEST_PAYLOAD, ItemType.STRUCTURE, (item,)))
    value = decode(Named, data, V2_1)
    assert value.attribute_references == (AttributeReference("0x54ABCD"),)
    assert encode(value, V2_1) == data


# ---- the store --------------------------------------------------------------------------------------------------
def test_the_stores_form_keeps_every_attribute() -> None:
    every = (
        AES,
        NAME,
        SENSITIVE,
        CUSTOM_ATTRIBUTE,
        VENDOR,
        Attribute("Rotate Generation", 2),
        Attribute("State", State.ACTIVE),
    )
    assert load_attributes(dump_attributes(every)) == every
    assert load_attributes(dump_attributes(())) == ()


@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(strategies.attributes(V1_4), strategies.attributes(V2_1)), max_size=6).map(tuple))
def test_any_attributes_survive_the_store(attributes: tuple[Attribute, ...]) -> None:
    assert load_attributes(dump_attributes(attributes)) == attributes


def test_a_damaged_store_is_noticed() -> None:
    data = dump_attributes((AES, NAME))
    for wrong in (data[:-8], data[:-1], data + bytes(8), b"\0" + data[1:]):
        with pytest.raises(ProtocolError):
            load_attributes(wrong)


# ---- what is wrong ----------------------------------------------------------------------------------------------
def payload(*children: Item) -> bytes:
    return encode_item(Item(Tag.REQUEST_PAYLOAD, ItemType.STRUCTURE, children))


def nested(tag: Tag, *children: Item) -> Item:
    return Item(tag, ItemType.STRUCTURE, children)


VENDOR_ITEM = Item(Tag.VENDOR_IDENTIFICATION, ItemType.TEXT_STRING, "acme")
PLACE = Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "place")


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param(nested(Tag.ATTRIBUTE_REFERENCE, VENDOR_ITEM), id="no name"),
        pytest.param(nested(Tag.ATTRIBUTE_REFERENCE, PLACE), id="no vendor"),
        pytest.param(nested(Tag.ATTRIBUTE_REFERENCE, VENDOR_ITEM, PLACE, PLACE), id="two names"),
    ],
)
def test_a_reference_to_a_vendors_attribute_is_a_vendor_and_a_name(reference: Item) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(Named, payload(reference), V2_1)
    assert caught.value.path[:2] == ("RequestPayload", "AttributeReference")


def test_a_vendor_attribute_without_a_value_is_refused() -> None:
    with pytest.raises(ProtocolError, match="AttributeValue is missing"):
        decode(Single, payload(nested(Tag.NEW_ATTRIBUTE, nested(Tag.ATTRIBUTE, VENDOR_ITEM, PLACE))), V2_1)


def test_an_unknown_name_of_1_x_cannot_be_said_in_2_x() -> None:
    unknown = Attribute("No Such Thing", Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1))
    with pytest.raises(ProtocolError, match="not an attribute of this version"):
        encode(Single(attribute=unknown), V2_1)


def test_a_template_name_does_not_leave_its_template() -> None:
    data = encode(InTemplate(template=Template((), (NAME.value,))), V1_4)
    head = b"\x42\x00\x53\x01\0\0\0"
    at = data.index(head) + len(head)
    with pytest.raises(ProtocolError) as caught:
        decode(InTemplate, data[:at] + bytes([data[at] + 8]) + data[at + 1 :], V1_4)
    assert caught.value.path == ("RequestPayload", "TemplateAttribute")


@pytest.mark.parametrize(("cls", "marker"), [(Attribute, References()), (AttributeReference, AttributeList())])
def test_a_marker_of_another_type_is_a_type_error(cls: Any, marker: WireForm) -> None:
    with pytest.raises(TypeError, match="cannot be written as"):
        cls.__wire_form__(marker, V1_4)
    with pytest.raises(TypeError, match="cannot be written as"):
        Template.__wire_form__(marker, V2_1)


def test_2_x_requires_the_structure_that_the_attributes_are_in_and_1_x_has_none() -> None:
    # KMIP 2.1 §6.1.20: Attributes, "Yes"; 1.4 §4.12: "If no requested attributes exist, then the response SHALL
    # consist only of the Unique Identifier."
    one = encode_item(nested(Tag.RESPONSE_PAYLOAD, Item(Tag.UNIQUE_IDENTIFIER, ItemType.TEXT_STRING, "1")))
    assert encode(GetAttributesResponse(unique_identifier="1"), V1_4) == one
    assert decode(GetAttributesResponse, one, V1_4).attributes == ()
    with pytest.raises(ProtocolError, match=r"^ResponsePayload.Attributes: missing"):
        decode(GetAttributesResponse, one, V2_1)
    assert tree(encode(GetAttributesResponse(unique_identifier="1"), V2_1)) == (
        Tag.RESPONSE_PAYLOAD,
        ((Tag.UNIQUE_IDENTIFIER, "1"), (Tag.ATTRIBUTES, ())),
    )
    with pytest.raises(ProtocolError, match=r"^RequestPayload.Attributes: missing"):
        decode(InList, encode_item(nested(Tag.REQUEST_PAYLOAD)), V2_1)


def test_a_locate_of_2_x_may_leave_out_what_would_be_empty() -> None:
    data = encode_item(nested(Tag.REQUEST_PAYLOAD))
    assert decode(LocateRequest, data, V2_1) == LocateRequest()
    assert tree(encode(LocateRequest(), V2_1)) == (Tag.REQUEST_PAYLOAD, ((Tag.ATTRIBUTES, ()),))
