"""What fuzzing has found, each as small as it could be made."""

from __future__ import annotations

import pytest

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.message import RequestMessage, UnreadablePayload, decode_request
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from tests.fuzz import seeds, targets


def structure(tag: Tag, *children: Item) -> Item:
    return Item(tag, ItemType.STRUCTURE, children)


def test_only_a_text_string_names_the_value_beside_it() -> None:
    # In JSON the second name is text as well, and was taken for one.
    item = structure(
        Tag.ATTRIBUTE,
        Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, "Cryptographic Usage Mask"),
        Item(Tag.ATTRIBUTE_NAME, ItemType.BIG_INTEGER, 2**70),
        Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 12),
    )
    assert ttlv_json.from_json(ttlv_json.to_json(item)) == item
    assert ttlv_xml.from_xml(ttlv_xml.to_xml(item)) == item


def test_an_attribute_value_stands_in_an_attribute_only() -> None:
    # It was kept as an unknown attribute, and lost when the message was written again.
    request = structure(
        Tag.REQUEST_MESSAGE,
        structure(
            Tag.REQUEST_HEADER,
            structure(
                Tag.PROTOCOL_VERSION,
                Item(Tag.PROTOCOL_VERSION_MAJOR, ItemType.INTEGER, 2),
                Item(Tag.PROTOCOL_VERSION_MINOR, ItemType.INTEGER, 1),
            ),
            Item(Tag.BATCH_COUNT, ItemType.INTEGER, 1),
        ),
        structure(
            Tag.BATCH_ITEM,
            Item(Tag.OPERATION, ItemType.ENUMERATION, 1),
            structure(
                Tag.REQUEST_PAYLOAD,
                Item(Tag.OBJECT_TYPE, ItemType.ENUMERATION, 2),
                structure(Tag.ATTRIBUTES, Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "lost")),
            ),
        ),
    )
    message: RequestMessage = decode_request(ttlv.encode(request))
    payload = message.batch_items[0].payload
    assert isinstance(payload, UnreadablePayload)
    assert "outside an Attribute" in str(payload.error)


@pytest.mark.parametrize("data", seeds.own_requests())
def test_the_decoding_target_takes_what_is_right(data: bytes) -> None:
    targets.decode_anything(data)
