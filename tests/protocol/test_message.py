"""Whole messages: what their version, their count and their payloads do."""

from __future__ import annotations

import pytest

from protocol import ttlv
from protocol.compiler import decode
from protocol.enums import (
    AsynchronousIndicator,
    CredentialType,
    ObjectType,
    Operation,
    ResultReason,
    ResultStatus,
)
from protocol.errors import ProtocolError, UnsupportedVersion
from protocol.message import (
    Authentication,
    MessageExtension,
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    ResponseHeader,
    ResponseMessage,
    UnreadablePayload,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from protocol.names import Tag
from protocol.operations import OPERATIONS
from protocol.operations.activate import ActivateRequest, ActivateResponse
from protocol.operations.create import CreateResponse
from protocol.operations.get import GetRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import Credential, UsernameAndPassword
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_0, V1_2, V1_4, V2_0, V2_1, ProtocolVersion


def request(*payloads: object, version: ProtocolVersion = V1_4, **header: object) -> RequestMessage:
    items = tuple(
        RequestBatchItem(operation=operation, unique_batch_item_id=bytes([number]), payload=payload)
        for number, payload in enumerate(payloads)
        for operation, spec in OPERATIONS.items()
        if spec.request is type(payload)
    )
    fields = {"protocol_version": version, "batch_count": len(items), **header}
    return RequestMessage(RequestHeader(**fields), items)  # type: ignore[arg-type]


GET, ACTIVATE = GetRequest(unique_identifier="1"), ActivateRequest(unique_identifier="2")


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
def test_a_batch_survives_the_wire_in_every_version(version: ProtocolVersion) -> None:
    message = request(GET, ACTIVATE, version=version, maximum_response_size=4096, time_stamp=1)
    assert decode_request(encode_request(message)) == message
    assert ttlv.encode(ttlv.decode(encode_request(message))) == encode_request(message)


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
def test_successes_and_failures_survive_the_wire_in_every_version(version: ProtocolVersion) -> None:
    items = (
        ResponseBatchItem(
            operation=Operation.CREATE,
            unique_batch_item_id=b"1",
            result_status=ResultStatus.SUCCESS,
            payload=CreateResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier="1"),
        ),
        ResponseBatchItem(
            operation=Operation.ACTIVATE,
            unique_batch_item_id=b"2",
            result_status=ResultStatus.OPERATION_FAILED,
            result_reason=ResultReason.ITEM_NOT_FOUND,
            result_message="no such object",
        ),
        ResponseBatchItem(result_status=ResultStatus.OPERATION_FAILED, result_reason=ResultReason.INVALID_MESSAGE),
    )
    header = ResponseHeader(protocol_version=version, time_stamp=2, batch_count=len(items))
    message = ResponseMessage(header, items)
    assert decode_response(encode_response(message)) == message


def test_the_asynchronous_indicator_is_a_boolean_until_1_4_and_an_enumeration_from_2_0() -> None:
    for version, value in ((V1_4, True), (V2_0, AsynchronousIndicator.OPTIONAL)):
        again = decode_request(encode_request(request(GET, version=version, asynchronous_indicator=value)))
        assert again.header.asynchronous_indicator is value
    major, minor = b"\x42\x00\x6a\x02\0\0\0\4\0\0\0", b"\x42\x00\x6b\x02\0\0\0\4\0\0\0"
    data = encode_request(request(GET, version=V1_4, asynchronous_indicator=False))
    data = data.replace(major + b"\1", major + b"\2").replace(minor + b"\4", minor + b"\1")
    with pytest.raises(ProtocolError, match="in its place is Boolean AsynchronousIndicator"):
        decode_request(data)


@pytest.mark.parametrize(("version", "tag"), [(V1_4, "TemplateAttribute"), (V2_0, "Attributes")])
def test_a_missing_template_is_called_by_its_name(version: ProtocolVersion, tag: str) -> None:
    payload = Item(Tag.REQUEST_PAYLOAD, ItemType.STRUCTURE, (Item(Tag.OBJECT_TYPE, ItemType.ENUMERATION, 2),))
    with pytest.raises(ProtocolError, match=f"^RequestPayload.{tag}: missing"):
        decode(RegisterRequest, ttlv.encode(payload), version)


@pytest.mark.parametrize("count", [0, 1, 3, -1])
def test_the_batch_count_is_the_number_of_items(count: int) -> None:
    data = encode_request(request(GET, ACTIVATE))
    right = b"\x42\x00\x0d\x02\0\0\0\4\0\0\0\2"
    assert right in data
    wrong = data.replace(right, right[:-4] + (count & 0xFFFFFFFF).to_bytes(4, "big"))
    with pytest.raises(ProtocolError, match="Batch Count") as caught:
        decode_request(wrong)
    assert caught.value.reason == ResultReason.INVALID_MESSAGE
    with pytest.raises(ValueError, match="batch_count"):
        encode_request(request(GET, batch_count=7))


@pytest.mark.parametrize("version", [(0, 9), (1, 5), (2, 2), (3, 0), (-1, 0)])
def test_another_version_is_said_to_be_unsupported(version: tuple[int, int]) -> None:
    message = request(GET)
    data = encode_request(message)
    at = data.index(b"\x42\x00\x69\x01") + 8
    numbers = (version[0] & 0xFFFFFFFF, version[1])
    wrong = bytearray(data)
    wrong[at + 8 : at + 12] = numbers[0].to_bytes(4, "big")
    wrong[at + 24 : at + 28] = numbers[1].to_bytes(4, "big")
    with pytest.raises(UnsupportedVersion) as caught:
        decode_request(bytes(wrong))
    assert caught.value.version == version
    assert caught.value.path == ("RequestMessage", "RequestHeader", "ProtocolVersion")


def test_a_payload_that_cannot_be_read_spoils_its_own_item_only() -> None:
    message = request(GET, ACTIVATE)
    data = encode_request(message).replace(
        b"\x42\x00\x94\x07\0\0\0\x01" + b"1", b"\x42\x00\x94\x07\0\0\0\x01" + b"\xff"
    )
    again = decode_request(data)
    first, second = again.batch_items
    assert isinstance(first.payload, UnreadablePayload)
    assert first.payload.error.path == ("UniqueIdentifier",)
    assert first.operation == Operation.GET
    assert second.payload == ACTIVATE
    assert encode_request(again) == data
    assert "ff" not in repr(first.payload)


@pytest.mark.parametrize(
    ("operation", "version"),
    [(0x800F0001, V2_1), (0x7F, V2_1), (Operation.ENCRYPT, V1_0), (Operation.PING, V1_4)],
    ids=["a vendor's", "a future one", "newer than 1.0", "newer than 1.4"],
)
def test_an_operation_that_the_version_lacks_spoils_its_own_item_only(operation: int, version: ProtocolVersion) -> None:
    data = encode_request(request(ACTIVATE, GET, version=version))
    own = b"\x42\x00\x5c\x05\0\0\0\4" + Operation.ACTIVATE.to_bytes(4, "big")
    data = data.replace(own, own[:-4] + operation.to_bytes(4, "big"))
    first, second = decode_request(data).batch_items
    assert first.operation == operation
    assert isinstance(first.payload, UnreadablePayload)
    assert first.payload.error.reason == ResultReason.OPERATION_NOT_SUPPORTED
    assert second.payload == GET
    assert encode_request(decode_request(data)) == data


def test_a_payload_of_another_operation_is_not_written() -> None:
    item = RequestBatchItem(operation=Operation.GET, payload=ACTIVATE)
    header = RequestHeader(protocol_version=V1_2, batch_count=1)
    with pytest.raises(TypeError, match="not the payload"):
        encode_request(RequestMessage(header, (item,)))


def test_a_header_is_read_once_and_only_without_credentials() -> None:
    data = encode_request(request(GET))
    assert decode_request(data).header is decode_request(data).header
    value = UsernameAndPassword(username="u", password="p")
    credential = Credential(credential_type=CredentialType.USERNAME_AND_PASSWORD, credential_value=value)
    secret = request(GET, authentication=Authentication(credentials=(credential,)))
    data = encode_request(secret)
    assert decode_request(data) == secret
    assert decode_request(data).header is not decode_request(data).header
    assert "'p'" not in repr(secret)


def test_another_header_is_not_mistaken_for_the_last_one() -> None:
    first, second = request(GET, time_stamp=1), request(GET, time_stamp=2, version=V2_0)
    for message in (first, second, first):
        assert decode_request(encode_request(message)) == message


def test_message_extensions_come_after_the_payload() -> None:
    extension = MessageExtension(
        vendor_identification="acme",
        criticality_indicator=True,
        vendor_extension=Item(Tag.VENDOR_EXTENSION, ItemType.STRUCTURE, ()),
    )
    message = request(GET)
    message.batch_items[0].message_extension = (extension,)
    assert decode_request(encode_request(message)) == message


GOOD = encode_request(request(GET, ACTIVATE))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GOOD[:8], id="a header alone"),
        pytest.param(GOOD[:-8], id="too short"),
        pytest.param(GOOD + bytes(8), id="too long"),
        pytest.param(GOOD[:7] + bytes([GOOD[7] + 1]) + GOOD[8:] + b"\0", id="an odd length"),
        pytest.param(b"\x42\x00\x7b" + GOOD[3:], id="a response"),
        pytest.param(GOOD.replace(b"\x42\x00\x77\x01", b"\x42\x00\x7a\x01"), id="a response's header"),
        pytest.param(GOOD.replace(b"\x42\x00\x69\x01", b"\x42\x00\x69\x08"), id="no version"),
        pytest.param(GOOD.replace(b"\x42\x00\x6a\x02", b"\x42\x00\x6b\x02"), id="no major version"),
        pytest.param(GOOD.replace(b"\x42\x00\x0f\x01", b"\x42\x00\x0e\x01", 1), id="no batch item"),
        pytest.param(GOOD.replace(b"\x42\x00\x79\x01", b"\x42\x00\x7c\x01", 1), id="a response's payload"),
        pytest.param(GOOD.replace(b"\x42\x00\x79\x01\0\0\0\x10", b"\x42\x00\x79\x01\0\0\0\x0f", 1), id="odd payload"),
    ],
)
def test_what_is_not_one_request_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_request(data)
    assert caught.value.path[0] == "RequestMessage"


def test_the_error_names_the_batch_item() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_request(GOOD[:-20] + b"\x08" + GOOD[-19:])
    assert "BatchItem[1]" in caught.value.path


def test_a_response_is_not_a_request() -> None:
    header = ResponseHeader(protocol_version=V1_4, time_stamp=0, batch_count=1)
    item = ResponseBatchItem(
        operation=Operation.ACTIVATE,
        result_status=ResultStatus.SUCCESS,
        payload=ActivateResponse(unique_identifier="1"),
    )
    data = encode_response(ResponseMessage(header, (item,)))
    with pytest.raises(ProtocolError):
        decode_request(data)
    with pytest.raises(ProtocolError):
        decode_response(GOOD)


def test_an_item_that_cannot_be_written_names_its_message() -> None:
    item = ResponseBatchItem(result_status=None)  # type: ignore[arg-type]
    header = ResponseHeader(protocol_version=V1_4, time_stamp=0, batch_count=1)
    with pytest.raises(ProtocolError) as caught:
        encode_response(ResponseMessage(header, (item,)))
    assert caught.value.path[0] == "ResponseMessage"
