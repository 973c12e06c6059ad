"""What fuzzing has found, each as small as it could be made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.attributes import Attribute
from protocol.enums import KeyFormatType, Operation, ResultReason
from protocol.message import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    UnreadablePayload,
    decode_request,
    encode_request,
)
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_4
from tests.fuzz import seeds, targets
from tests.operations import requests
from tests.operations.conftest import OPERATION_OF


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


@pytest.mark.parametrize("where", ["attribute", "key block"])
async def test_a_negative_length_is_refused(tmp_path: Path, where: str) -> None:
    # Key material in a form that says nothing of its length was sealed with the stated one, which has no sign there.
    request = requests.register(bytes(16))
    if where == "attribute":
        request = requests.register(bytes(16), Attribute("Cryptographic Length", -1))
    request.managed_object.key_block.key_format_type = KeyFormatType.OPAQUE
    request.managed_object.key_block.cryptographic_length = -1 if where == "key block" else None
    assert await refusal(tmp_path, request) == ResultReason.INVALID_FIELD


async def refusal(tmp_path: Path, *payloads: Any) -> ResultReason | None:
    """The reason for which a request of 1.4 is refused."""
    reasons: list[ResultReason | None] = []
    header = RequestHeader(protocol_version=V1_4, batch_count=len(payloads))
    items = tuple(RequestBatchItem(operation=OPERATION_OF[type(payload)], payload=payload) for payload in payloads)

    async def ask(answer: Callable[[bytes], Any]) -> bool:
        response = await answer(encode_request(RequestMessage(header=header, batch_items=items)))
        reasons.append(response.batch_items[0].result_reason)
        return True

    await targets.Answers(tmp_path).run(ask)
    return reasons[0]


async def test_a_request_without_items_is_refused(tmp_path: Path) -> None:
    # It was answered with a response without items (the batch item of a message is required: KMIP 1.4 §7.1).
    assert await refusal(tmp_path) == ResultReason.INVALID_MESSAGE


def test_a_payload_that_cannot_be_read_is_equal_to_itself() -> None:
    # The errors of two readings of the same bytes are two errors.
    item = structure(
        Tag.BATCH_ITEM,
        Item(Tag.OPERATION, ItemType.ENUMERATION, Operation.MODIFY_ATTRIBUTE),
        structure(Tag.REQUEST_PAYLOAD),
    )
    version = structure(
        Tag.PROTOCOL_VERSION,
        Item(Tag.PROTOCOL_VERSION_MAJOR, ItemType.INTEGER, 2),
        Item(Tag.PROTOCOL_VERSION_MINOR, ItemType.INTEGER, 1),
    )
    header = structure(Tag.REQUEST_HEADER, version, Item(Tag.BATCH_COUNT, ItemType.INTEGER, 1))
    data = ttlv.encode(structure(Tag.REQUEST_MESSAGE, header, item))
    assert isinstance(decode_request(data).batch_items[0].payload, UnreadablePayload)
    assert decode_request(data) == decode_request(data)
