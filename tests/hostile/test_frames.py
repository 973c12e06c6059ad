"""Bytes that no honest client sends, over TLS as a known client: a clear answer or a clean end, each time."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from typing import Any

import pytest

from protocol import ttlv
from protocol.enums import ResultStatus
from protocol.framing import FrameBuffer
from protocol.message import decode_response
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from tests.fuzz.seeds import own_requests
from tests.hostile.conftest import FRAME_SIZE, Victim, Witness, read_to_end
from tests.shared import SHARED

REQUEST_MESSAGE = 0x42007801


def header(length: int, head: int = REQUEST_MESSAGE) -> bytes:
    return struct.pack(">II", head, length)


def message(*body: bytes) -> bytes:
    joined = b"".join(body)
    return header(len(joined)) + joined


def item(tag: Tag, kind: ItemType, value: ttlv.Value) -> bytes:
    return ttlv.encode(Item(tag, kind, value))


def raw(tag: Tag, kind: int, length: int, value: bytes) -> bytes:
    """An item that says what it likes about itself."""
    return struct.pack(">II", tag << 8 | kind, length) + value


def head(count: int, *more: bytes, major: int = 1, minor: int = 4) -> bytes:
    version = item(Tag.PROTOCOL_VERSION_MAJOR, ItemType.INTEGER, major)
    version += item(Tag.PROTOCOL_VERSION_MINOR, ItemType.INTEGER, minor)
    inner = raw(Tag.PROTOCOL_VERSION, 1, len(version), version) + b"".join(more)
    inner += item(Tag.BATCH_COUNT, ItemType.INTEGER, count)
    return raw(Tag.REQUEST_HEADER, 1, len(inner), inner)


def batch_item(operation: int, *payload: bytes) -> bytes:
    inside = b"".join(payload)
    inner = item(Tag.OPERATION, ItemType.ENUMERATION, operation) + raw(Tag.REQUEST_PAYLOAD, 1, len(inside), inside)
    return raw(Tag.BATCH_ITEM, 1, len(inner), inner)


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = raw(Tag.ATTRIBUTES, 1, len(data), data)
    return data


GET = 10
QUERY = 24
UID = item(Tag.UNIQUE_IDENTIFIER, ItemType.TEXT_STRING, "a")
HUGE = 60_000

NO_REQUESTS: dict[str, bytes] = {
    "length of 4 GiB": header(0xFFFFFFF8),
    "length of 4 GiB less one": header(0xFFFFFFFF),
    "length of 2 GiB": header(0x80000000) + bytes(100),
    "one byte more than allowed": header(FRAME_SIZE),
    "length that is no multiple of 8": header(7) + bytes(8),
    "empty message": header(0),
    "response message": header(8, 0x42007B01) + bytes(8),
    "not a structure": header(8, 0x42007807) + bytes(8),
    "another tag": header(8, 0x42009401) + bytes(8),
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "HTTP": b"POST /kmip HTTP/1.1\r\nHost: a\r\n\r\n",
    "XML": b"<RequestMessage/>        ",
    "only a header": message(head(1)),
    "only an item": message(batch_item(GET, UID)),
    "zero items": message(head(0)),
    "fewer items than said": message(head(2), batch_item(GET, UID)),
    "more items than said": message(head(1), batch_item(GET, UID), batch_item(GET, UID)),
    "a negative number of items": message(head(-1), batch_item(GET, UID)),
    "2,147,483,647 items": message(head(2**31 - 1), batch_item(GET, UID)),
    "items of 4 GiB within": message(head(1), raw(Tag.BATCH_ITEM, 1, 0xFFFFFFF8, bytes(64))),
    "an item beyond the end": message(head(1), raw(Tag.BATCH_ITEM, 1, 128, bytes(64))),
    "10,000 items": message(head(10_000), *[raw(Tag.BATCH_ITEM, 1, 0, b"")] * 8000),
    "depth of 7,000": message(head(1), nested(7000)),
    "unknown version": message(head(1, major=9, minor=9), batch_item(GET, UID)),
    "negative version": message(head(1, major=-1, minor=-1), batch_item(GET, UID)),
    "text as version": message(
        raw(
            Tag.REQUEST_HEADER, 1, 24, raw(Tag.PROTOCOL_VERSION, 1, 16, item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "1"))
        )
    ),
    "header twice": message(head(1), head(1), batch_item(GET, UID)),
    "big integer as count": message(
        raw(
            Tag.REQUEST_HEADER,
            1,
            40 + 8 + HUGE,
            ttlv.encode(
                Item(
                    Tag.PROTOCOL_VERSION,
                    ItemType.STRUCTURE,
                    (
                        Item(Tag.PROTOCOL_VERSION_MAJOR, ItemType.INTEGER, 1),
                        Item(Tag.PROTOCOL_VERSION_MINOR, ItemType.INTEGER, 4),
                    ),
                )
            )
            + raw(Tag.BATCH_COUNT, 4, HUGE, b"\x7f" * HUGE),
        )
    ),
}
"""What is answered and then closed, or closed where there is no more to read."""

BAD_PAYLOADS: dict[str, bytes] = {
    "depth of 7,000": batch_item(GET, nested(7000)),
    "depth of 33": batch_item(GET, nested(33)),
    "invalid UTF-8": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 7, 2, b"\xc3\x28" + bytes(6))),
    "half of a surrogate pair": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 7, 3, b"\xed\xa0\x80" + bytes(5))),
    "overlong UTF-8": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 7, 2, b"\xc0\x80" + bytes(6))),
    "a huge integer": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 4, HUGE, b"\x80" * HUGE)),
    "a huge text": batch_item(GET, item(Tag.UNIQUE_IDENTIFIER, ItemType.TEXT_STRING, "a" * HUGE)),
    "padding that is not zero": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 7, 1, b"a1234567")),
    "length of 4 GiB": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 7, 0xFFFFFFFF, b"a" * 8)),
    "unknown item type": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 0x7F, 8, bytes(8))),
    "an integer of 8 bytes": batch_item(GET, raw(Tag.UNIQUE_IDENTIFIER, 2, 8, bytes(8))),
    "a boolean of 2": batch_item(QUERY, raw(Tag.QUERY_FUNCTION, 6, 8, bytes(7) + b"\2")),
    "unknown operation": batch_item(0x7FFFFFFF, UID),
    "operation of the vendor": batch_item(0x80000001, UID),
    "a field of the header": batch_item(GET, item(Tag.BATCH_COUNT, ItemType.INTEGER, 1)),
    "twice the same field": batch_item(GET, UID, UID),
}
"""What fails one item, with the connection kept."""


def ask(sock: ssl.SSLSocket, data: bytes) -> bytes:
    """The next whole answer."""
    sock.sendall(data)
    frames = FrameBuffer(1 << 24)
    while (frame := frames.next_frame()) is None:
        received = sock.recv(1 << 16)
        assert received, "closed instead of answered"
        frames.receive_data(received)
    return frame


def check_refusal(answer: bytes) -> None:
    response = decode_response(answer)
    assert response.batch_items
    for found in response.batch_items:
        assert found.result_status == ResultStatus.OPERATION_FAILED
        assert found.result_reason is not None


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in NO_REQUESTS.items()])
def test_no_request(impatient: Victim, undisturbed: Witness, data: bytes) -> None:
    with impatient.connect() as sock:
        check_refusal(ask(sock, data))


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD_PAYLOADS.items()])
def test_a_bad_payload(impatient: Victim, undisturbed: Witness, data: bytes) -> None:
    with impatient.connect() as sock:
        for _ in range(2):
            check_refusal(ask(sock, message(head(1), data)))


def test_ten_thousand_items(impatient: Victim, undisturbed: Witness) -> None:
    """As many small items as fit into a frame, and a count of 10,000 in front of them, right or wrong."""
    small = raw(
        Tag.BATCH_ITEM, 1, 24, item(Tag.OPERATION, ItemType.ENUMERATION, QUERY) + raw(Tag.REQUEST_PAYLOAD, 1, 0, b"")
    )
    number = (FRAME_SIZE - 200) // len(small)
    for count in (number, 10_000):
        with impatient.connect() as sock:
            check_refusal(ask(sock, message(head(count), *[small] * number)))


@pytest.mark.parametrize("data", own_requests()[::9])
def test_frames_cut_off_anywhere(impatient: Victim, undisturbed: Witness, data: bytes) -> None:
    for position in range(1, len(data), 8):
        with impatient.connect() as sock:
            sock.sendall(data[:position])
            raw_socket = socket.socket(fileno=sock.detach())
            raw_socket.shutdown(socket.SHUT_WR)
            read_to_end(raw_socket)


def negative() -> list[Any]:
    if SHARED is None:
        return []
    rows = json.loads((SHARED / "wire" / "negative" / "scality-bad-ttlv.json").read_text())
    return [bytes.fromhex(row["hex"]) for row in rows if "53bit" not in row["why"]]


@pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")
def test_invalid_items_of_others(impatient: Victim, undisturbed: Witness) -> None:
    """Each as the payload of a request, where its length allows, so that framing does not catch it."""
    found = [data for data in negative() if len(data) % 8 == 0]
    assert len(found) > 20
    with impatient.connect() as sock:
        for data in found:
            decode_response(ask(sock, message(head(1), batch_item(GET, data))))
    for data in negative():
        with impatient.connect() as sock:
            sock.sendall(data)
            raw_socket = socket.socket(fileno=sock.detach())
            raw_socket.shutdown(socket.SHUT_WR)
            read_to_end(raw_socket)
