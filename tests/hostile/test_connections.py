"""Clients that are slow, deaf, silent or many: they are ended in time, and cost the others nothing that matters."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from contextlib import ExitStack
from typing import Any

import pytest

from protocol.attributes import Template
from protocol.enums import ObjectType, OpaqueDataType
from protocol.framing import FrameBuffer
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.objects import OpaqueObject
from protocol.operations.register import RegisterRequest
from protocol.versions import V1_4
from tests.fuzz.seeds import own_requests
from tests.hostile.conftest import (
    CONNECTIONS,
    FRAME_SIZE,
    TIMEOUT,
    Victim,
    Witness,
    read_to_end,
    witness,
)
from tests.operations import requests
from tests.operations.conftest import OPERATION_OF

REQUEST = own_requests()[0]
BEGINNING = struct.pack(">II", 0x42007801, FRAME_SIZE - 8)


def answer(sock: ssl.SSLSocket) -> bytes:
    frames = FrameBuffer(1 << 24)
    while (frame := frames.next_frame()) is None:
        received = sock.recv(1 << 16)
        assert received, "closed instead of answered"
        frames.receive_data(received)
    return frame


def test_half_open_connections_end(impatient: Victim, undisturbed: Witness) -> None:
    """Fifty that never say anything, fifty that stop within the handshake."""
    silent = [impatient.plain() for _ in range(100)]
    for sock in silent[::2]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    for sock in silent:
        read_to_end(sock)


def test_slow_senders_end(impatient: Victim, undisturbed: Witness) -> None:
    """Each sends a byte now and then: of a request, of a head of HTTP, of a handshake."""
    head = b"POST /kmip HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 500
    hello = b"\x16\x03\x01\x02\x00" + bytes(500)
    with ExitStack() as closing:
        slow: list[tuple[socket.socket, bytes]] = [
            *((closing.enter_context(impatient.connect()), REQUEST) for _ in range(20)),
            *((closing.enter_context(impatient.connect(impatient.https_port)), head) for _ in range(20)),
            *((closing.enter_context(impatient.plain()), hello) for _ in range(20)),
        ]
        end = time.monotonic() + TIMEOUT
        position = 0
        while slow:
            assert time.monotonic() < end, f"{len(slow)} are still open"
            slow = [(sock, data) for sock, data in slow if still_open(sock, data[position : position + 1])]
            position += 1
            time.sleep(0.1)
    assert position > 5, "ended at once: that was no test of slowness"


def still_open(sock: socket.socket, byte: bytes) -> bool:
    try:
        sock.settimeout(TIMEOUT)
        sock.sendall(byte)
        sock.setblocking(False)
        return sock.recv(100) != b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


def test_clients_that_do_not_read_end(impatient: Victim, undisturbed: Witness) -> None:
    """They ask for more than the network holds, and take none of it: the daemon waits, and ends them."""
    with impatient.client(version=V1_4) as client:
        uid = client.call(large_object()).unique_identifier
    ask = frame(requests.get(uid)) * 400
    ended = impatient.daemon.log.read_text().count("no reader of our answer in time")
    with ExitStack() as closing:
        deaf = []
        for _ in range(10):
            raw = closing.enter_context(socket.socket())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.settimeout(TIMEOUT)
            raw.connect((impatient.daemon.host, impatient.daemon.port))
            sock = closing.enter_context(impatient.context.wrap_socket(raw, server_hostname=impatient.daemon.host))
            sock.sendall(ask)
            deaf.append(sock)
        end = time.monotonic() + TIMEOUT
        while impatient.daemon.log.read_text().count("no reader of our answer in time") < ended + len(deaf):
            assert time.monotonic() < end
            time.sleep(0.1)
        for sock in deaf:
            assert len(read_to_end(sock)) < 400 * LARGE


LARGE = 50_000


def large_object() -> RegisterRequest:
    return RegisterRequest(
        object_type=ObjectType.OPAQUE_OBJECT,
        attributes=Template(),
        managed_object=OpaqueObject(opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=bytes(LARGE)),
    )


def frame(payload: Any) -> bytes:
    item = RequestBatchItem(operation=OPERATION_OF[type(payload)], payload=payload)
    header = RequestHeader(protocol_version=V1_4, batch_count=1)
    return encode_request(RequestMessage(header=header, batch_items=(item,)))


def test_many_unfinished_requests_cost_their_bytes_only(impatient: Victim, undisturbed: Witness) -> None:
    opened = [impatient.connect() for _ in range(100)]
    for sock in opened:
        sock.sendall(BEGINNING + bytes(FRAME_SIZE - 1000))
    grown = impatient.memory() - impatient.before
    print(f"100 requests of 64 KiB begun: {grown / (1 << 20):+.1f} MiB")
    for sock in opened:
        assert read_to_end(sock) == b""


def test_a_thousand_connections_at_once(roomy: Victim) -> None:
    with witness(roomy), ExitStack() as closing:
        began = time.perf_counter()
        raw = [closing.enter_context(roomy.plain()) for _ in range(CONNECTIONS)]
        opened = [
            closing.enter_context(roomy.context.wrap_socket(sock, server_hostname=roomy.daemon.host)) for sock in raw
        ]
        for sock in opened:
            sock.sendall(REQUEST)
        for sock in opened:
            assert decode_response(answer(sock)).batch_items[0].payload is not None
        print(f"{CONNECTIONS} connections with a request each: {time.perf_counter() - began:.1f} s")
        roomy.check_memory()
        # The rest of the room, and no more: refused at once, and the others stay.
        beyond = [closing.enter_context(roomy.plain()) for _ in range(40)]
        time.sleep(1)
        refused = [sock for sock in beyond if has_ended(sock)]
        assert 20 <= len(refused) < 40
        for sock in opened[::50]:
            sock.sendall(REQUEST)
            assert decode_response(answer(sock)).batch_items[0].payload is not None
    with roomy.client() as client:
        assert client.create()
    roomy.check_memory()


def has_ended(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("https", [False, True], ids=["ttlv", "https"])
def test_connections_that_come_and_go(impatient: Victim, undisturbed: Witness, https: bool) -> None:
    """Closed, or reset, right after the request has been sent: nobody is there for the answer."""
    data = REQUEST
    if https:
        head = f"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Length: {len(REQUEST)}\r\n"
        data = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + REQUEST
    for number in range(100):
        sock = impatient.connect(impatient.https_port if https else None)
        sock.sendall(data * 3)
        if number % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
