"""Every published message decodes into declared objects, and they encode back to the same bytes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import ttlv, ttlv_xml
from protocol.message import (
    RequestMessage,
    ResponseMessage,
    UnreadablePayload,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from tests.protocol import oasis
from tests.shared import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")

# Messages that break the specification, by file and position, with what is wrong. oasis.py repairs one more file.
DEFECTS = {
    "1.2/mandatory/CS-AC-M-3-12.xml#2": "an Attribute without an Attribute Name",
    "1.2/mandatory/CS-AC-M-8-12.xml#2": "an Attribute without an Attribute Name",
    "1.2/testcases/TC-NP-2-12.xml#2": "its header says 1.0, where a Digest has no Key Format Type",
}


def read(kind: str, data: bytes) -> RequestMessage | ResponseMessage:
    return decode_request(data) if kind == "RequestMessage" else decode_response(data)


def write(message: RequestMessage | ResponseMessage) -> bytes:
    return encode_request(message) if isinstance(message, RequestMessage) else encode_response(message)


def unreadable(message: RequestMessage | ResponseMessage) -> list[str]:
    items = message.batch_items
    return [str(item.payload.error) for item in items if isinstance(item.payload, UnreadablePayload)]


def check(name: str, kind: str, data: bytes) -> Iterator[str]:
    """What is wrong with one message, if anything."""
    message = read(kind, data)
    yield from (f"{name}: {error}" for error in unreadable(message))
    if write(message) != data:
        yield f"{name}: encodes to other bytes"


@pytest.mark.parametrize("path", oasis.paths(), ids=oasis.label)
def test_the_messages_of_a_test_case_are_objects_that_encode_to_themselves(path: Path) -> None:
    wrong: list[str] = []
    found = oasis.messages(path)
    assert found
    for message in found:
        if message.name in DEFECTS:
            continue
        data = ttlv.encode(ttlv_xml.from_xml(message.xml))
        wrong += check(message.name, message.kind, data)
    assert wrong == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defective_message_is_refused(name: str) -> None:
    """A message that is no longer refused must leave the table of defects."""
    assert SHARED is not None
    path = SHARED / "oasis" / name.partition("#")[0]
    message = next(message for message in oasis.messages(path) if message.name == name)
    assert list(check(name, message.kind, ttlv.encode(ttlv_xml.from_xml(message.xml)))) != []


def wire_messages() -> list[dict[str, str]]:
    if SHARED is None:
        return []
    lines = (SHARED / "wire" / "kmip11-testcases-doc.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_messages_of_the_test_case_document_are_objects_that_encode_to_themselves() -> None:
    found = wire_messages()
    assert len(found) == 520
    wrong: list[str] = []
    for message in found:
        kind = "RequestMessage" if message["kind"] == "request" else "ResponseMessage"
        wrong += check(f"{message['section']} {message['msg']}", kind, bytes.fromhex(message["hex"]))
    assert wrong == []
