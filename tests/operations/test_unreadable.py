"""Requests that cannot be read: what is said of them, in KMIP's words, and the Result Reason (KMIP 1.4 §11.1)."""

from __future__ import annotations

import pytest

from protocol import ttlv
from protocol.enums import CredentialType, Operation, ResultReason, ResultStatus
from protocol.message import ResponseBatchItem, decode_response
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_4, V2_1, ProtocolVersion
from tests.operations.conftest import Caller


def structure(tag: int, *children: Item) -> Item:
    return Item(tag, ItemType.STRUCTURE, children)


def integer(tag: int, value: int) -> Item:
    return Item(tag, ItemType.INTEGER, value)


def enumeration(tag: int, value: int) -> Item:
    return Item(tag, ItemType.ENUMERATION, value)


def text(tag: int, value: str) -> Item:
    return Item(tag, ItemType.TEXT_STRING, value)


COUNT = integer(Tag.BATCH_COUNT, 1)
TIME = Item(Tag.TIME_STAMP, ItemType.DATE_TIME, 1)
UID = text(Tag.UNIQUE_IDENTIFIER, "no")
UNKNOWN = text(0x540001, "new")


def header(*fields: Item, version: ProtocolVersion = V1_4) -> Item:
    major, minor = version
    numbers = integer(Tag.PROTOCOL_VERSION_MAJOR, major), integer(Tag.PROTOCOL_VERSION_MINOR, minor)
    return structure(Tag.REQUEST_HEADER, structure(Tag.PROTOCOL_VERSION, *numbers), *fields)


def payload(*fields: Item) -> Item:
    return structure(Tag.REQUEST_PAYLOAD, *fields)


def item(operation: Operation, *fields: Item) -> Item:
    return structure(Tag.BATCH_ITEM, enumeration(Tag.OPERATION, operation), *fields)


GET = item(Operation.GET, payload(UID))


async def answered(app: Caller, *parts: Item) -> ResponseBatchItem:
    """The one item of the answer to a message of these parts; it must be a failure."""
    data = await app.send(ttlv.encode(structure(Tag.REQUEST_MESSAGE, *parts)))
    [answer] = decode_response(data).batch_items
    assert answer.result_status == ResultStatus.OPERATION_FAILED
    return answer


def credential(kind: int, *value: Item) -> Item:
    fields = enumeration(Tag.CREDENTIAL_TYPE, kind), structure(Tag.CREDENTIAL_VALUE, *value)
    return structure(Tag.AUTHENTICATION, structure(Tag.CREDENTIAL, *fields))


HEADER = "RequestMessage/RequestHeader"
SAID: dict[str, tuple[tuple[Item, ...], str]] = {
    "no header": ((GET,), f"{HEADER}: missing, in its place is Structure BatchItem"),
    "nothing": ((), f"{HEADER}: missing"),
    "no version": (
        (structure(Tag.REQUEST_HEADER, COUNT), GET),
        f"{HEADER}/ProtocolVersion: missing, in its place is Integer BatchCount",
    ),
    "no count": ((header(), GET), f"{HEADER}/BatchCount: missing"),
    "two times": (
        (header(TIME, TIME, COUNT), GET),
        f"{HEADER}/BatchCount: missing, in its place is Date Time TimeStamp",
    ),
    "a field too many": ((header(COUNT, COUNT), GET), f"{HEADER}/BatchCount: unexpected Integer here"),
    "an unknown credential": (
        (header(credential(99), COUNT), GET),
        f"{HEADER}/Authentication/Credential/CredentialValue: no form is known for CredentialType 0x00000063",
    ),
    "half a credential": (
        (header(credential(CredentialType.USERNAME_AND_PASSWORD), COUNT), GET),
        f"{HEADER}/Authentication/Credential/CredentialValue/Username: missing",
    ),
    "no item": ((header(COUNT),), "RequestMessage: Batch Count is 1, but there are 0 items"),
    "another item": ((header(COUNT), header(COUNT)), "RequestMessage/BatchItem[0]: unexpected Structure here"),
}


@pytest.mark.parametrize(("parts", "message"), SAID.values(), ids=SAID)
async def test_a_message_that_cannot_be_read_is_told_what_is_wrong_and_where(
    app: Caller, parts: tuple[Item, ...], message: str
) -> None:
    answer = await answered(app, *parts)
    assert (answer.operation, answer.result_message) == (None, message)


async def test_a_free_item_is_told_of_in_the_words_of_the_specification(app: Caller) -> None:
    value = Item(Tag.ATTRIBUTE_VALUE, ItemType.BIG_INTEGER, 0)
    attribute = structure(Tag.ATTRIBUTE, text(Tag.ATTRIBUTE_NAME, "x-a"), value)
    create = item(
        Operation.CREATE, payload(enumeration(Tag.OBJECT_TYPE, 2), structure(Tag.TEMPLATE_ATTRIBUTE, attribute))
    )
    frame = ttlv.encode(structure(Tag.REQUEST_MESSAGE, header(COUNT), create))
    head = Tag.ATTRIBUTE_VALUE.to_bytes(3, "big") + bytes([ItemType.BIG_INTEGER])
    for kind, wrong in ((ItemType.BIG_INTEGER, "of 4 bytes"), (ItemType.LONG_INTEGER, "of 4 bytes instead of 8")):
        broken = frame.replace(head + b"\0\0\0\x08", head[:3] + bytes([kind]) + b"\0\0\0\x04")
        [answer] = decode_response(await app.send(broken)).batch_items
        name = kind.name.replace("_", " ").title()
        assert f"AttributeValue: {name} {wrong}" in (answer.result_message or "")


MESSAGE, FIELD = ResultReason.INVALID_MESSAGE, ResultReason.INVALID_FIELD
SYMMETRIC = enumeration(Tag.OBJECT_TYPE, 2)
EMPTY = {V1_4: structure(Tag.TEMPLATE_ATTRIBUTE), V2_1: structure(Tag.ATTRIBUTES)}


def with_attribute(name: str, tag: int, value: Item, version: ProtocolVersion) -> Item:
    """Create with one attribute."""
    if version == V2_1:
        attributes = structure(Tag.ATTRIBUTES, Item(tag, value.type, value.value))
    else:
        attributes = structure(Tag.TEMPLATE_ATTRIBUTE, structure(Tag.ATTRIBUTE, text(Tag.ATTRIBUTE_NAME, name), value))
    return item(Operation.CREATE, payload(SYMMETRIC, attributes))


def cases(version: ProtocolVersion) -> dict[str, tuple[Item, ResultReason]]:
    two = version == V2_1
    empty, length = EMPTY[version], text(Tag.ATTRIBUTE_VALUE, "256")
    name = structure(Tag.ATTRIBUTE_VALUE, enumeration(Tag.NAME_TYPE, 1))
    return {
        # "The same field is contained in a header/batch item/payload more than once"
        "twice": (item(Operation.GET, payload(UID, UID)), MESSAGE),
        "twice, before what is required": (item(Operation.CREATE, payload(SYMMETRIC, SYMMETRIC, empty)), MESSAGE),
        # "Error parsing batch item or payload within batch item"
        "an Interval for a text": (
            item(Operation.GET, payload(Item(Tag.UNIQUE_IDENTIFIER, ItemType.INTERVAL, 1))),
            MESSAGE,
        ),
        "a text for an enumeration": (item(Operation.CREATE, payload(text(Tag.OBJECT_TYPE, "2"), empty)), MESSAGE),
        "out of order": (item(Operation.CREATE, payload(empty, SYMMETRIC)), MESSAGE),
        "a text for a payload": (item(Operation.GET, text(Tag.REQUEST_PAYLOAD, "")), MESSAGE),
        # "REQUIRED field(s) missing"
        "nothing to create": (item(Operation.CREATE, payload(empty)), MESSAGE),
        "no attributes": (item(Operation.REGISTER, payload(SYMMETRIC)), MESSAGE),
        "no payload": (item(Operation.GET), MESSAGE),
        "no data": (item(Operation.ENCRYPT, payload(UID)), MESSAGE),
        "a name without a value": (with_attribute("Name", Tag.NAME, name, version), MESSAGE),
        # "Same major & minor version, unknown field"; 2.1: "A tag is not known by the server"
        "unknown": (item(Operation.GET, payload(UID, UNKNOWN)), ResultReason.UNKNOWN_TAG if two else FIELD),
        "another's": (item(Operation.GET, payload(UID, SYMMETRIC)), FIELD),
        # "Incorrect attribute value(s) specified"
        "an attribute of another type": (
            with_attribute("Cryptographic Length", Tag.CRYPTOGRAPHIC_LENGTH, length, version),
            ResultReason.INVALID_ATTRIBUTE_VALUE if two else FIELD,
        ),
    }


@pytest.mark.parametrize("name", cases(V1_4))
@pytest.mark.parametrize("version", [V1_4, V2_1], ids=str)
async def test_the_reason_is_that_of_the_table_of_errors(app: Caller, version: ProtocolVersion, name: str) -> None:
    request, reason = cases(version)[name]
    answer = await answered(app, header(COUNT, version=version), request)
    assert answer.result_reason == reason, answer.result_message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [((TIME, TIME, COUNT), MESSAGE), ((COUNT, COUNT), MESSAGE), ((), MESSAGE), ((COUNT, UNKNOWN), FIELD)],
    ids=["twice", "twice, the last", "missing", "unknown"],
)
async def test_the_reason_for_a_header_is_that_of_the_table_of_errors(
    app: Caller, fields: tuple[Item, ...], reason: ResultReason
) -> None:
    assert (await answered(app, header(*fields), GET)).result_reason == reason
