"""HTTP over memory streams: whose turn it is, what is refused with which status, when a connection goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import h11
import pytest
import trio
import trio.testing

from kmsd.config.settings import Limits
from kmsd.server.connections import Connection, Connections
from kmsd.server.http import serve_http
from kmsd.server.session import Answer
from protocol import ttlv, ttlv_json, ttlv_xml
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.ttlv import Item, ItemType

LIMITS = Limits(frame_size=1024, idle_timeout=600.0, message_timeout=30.0)
REJECTED = ttlv.encode(Item(Tag.RESPONSE_MESSAGE, ItemType.STRUCTURE, ()))


@dataclass
class Echo:
    """Answers with the request."""

    seen: list[bytes] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    finish: trio.Event = field(default_factory=trio.Event)
    answer: bytes = b""

    async def connect(self, certificate: bytes, address: str) -> str:
        return "alice"

    async def respond(self, peer: str, frame: bytes) -> Answer:
        assert peer == "alice"
        self.seen.append(frame)
        if frame == b"bug":
            raise RuntimeError("broken")
        if frame == b"slow":
            await self.finish.wait()
        return Answer(self.answer or frame, close=frame == b"no message")

    async def reject(self, peer: str, error: ProtocolError) -> bytes:
        self.rejected.append(str(error))
        return REJECTED


class Talk:
    """A client's end: raw bytes out, responses in."""

    def __init__(self, client: trio.abc.Stream, connections: Connections, connection: Connection) -> None:
        self.client = client
        self.connections = connections
        self.connection = connection
        self.dispatcher = Echo()
        self.over = trio.Event()
        self._received = b""

    async def send(self, data: bytes) -> None:
        await self.client.send_all(data)

    async def response(self, method: str = "POST") -> tuple[int, dict[bytes, bytes], bytes]:
        """The next response: status, headers, body."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        parser.send(h11.EndOfMessage())
        if self._received:
            parser.receive_data(self._received)
        head, body = None, b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                data = bytes(await self.client.receive_some())
                assert data, "closed instead of answered"
                parser.receive_data(data)
            elif isinstance(event, h11.InformationalResponse):
                self._received = parser.trailing_data[0]
                return event.status_code, {}, b""
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.EndOfMessage)
                assert head is not None
                self._received = parser.trailing_data[0]
                return head.status_code, dict(head.headers), body

    async def status(self, data: bytes, method: str = "POST") -> int:
        await self.send(data)
        return (await self.response(method))[0]

    async def closed(self) -> bool:
        with trio.fail_after(5):
            return self._received == b"" and await self.client.receive_some() == b""


Start = Callable[..., Awaitable[Talk]]


@pytest.fixture
async def start(nursery: trio.Nursery) -> AsyncIterator[Start]:
    async def start(limits: Limits = LIMITS) -> Talk:
        client, server = trio.testing.memory_stream_pair()
        connections = Connections(limits)
        connection = connections.admit("192.0.2.1", "192.0.2.1:1000")
        talk = Talk(client, connections, connection)

        async def serve() -> None:
            with connection.scope:
                await serve_http(
                    server,
                    "alice",
                    connection,
                    dispatcher=talk.dispatcher,
                    threads=trio.CapacityLimiter(1),
                )
            talk.over.set()

        nursery.start_soon(connections.watch)
        nursery.start_soon(serve)
        return talk

    yield start
    nursery.cancel_scope.cancel()


def post(body: bytes = b"body", *headers: str, target: str = "/kmip", version: str = "1.1") -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}"]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append("Content-Type: application/octet-stream")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


async def test_a_request_is_answered_and_the_connection_kept(start: Start) -> None:
    talk = await start()
    for body in (b"one", b"two" * 100, b"three"):
        await talk.send(post(body))
        status, headers, answer = await talk.response()
        assert (status, answer) == (200, body)
        assert headers[b"content-type"] == b"application/octet-stream"
        assert headers[b"cache-control"] == b"no-cache"
        assert headers[b"content-length"] == str(len(body)).encode()


async def test_a_request_byte_by_byte_is_the_same_request(start: Start) -> None:
    talk = await start()
    for byte in post(b"byte by byte"):
        await talk.send(bytes([byte]))
        await trio.testing.wait_all_tasks_blocked()
    assert (await talk.response())[2] == b"byte by byte"
    assert talk.dispatcher.seen == [b"byte by byte"]


async def test_requests_sent_ahead_are_answered_in_order_one_at_a_time(start: Start) -> None:
    talk = await start()
    await talk.send(post(b"slow") + post(b"second") + post(b"third")[:-2])
    await trio.testing.wait_all_tasks_blocked()
    assert talk.dispatcher.seen == [b"slow"]
    talk.dispatcher.finish.set()
    assert (await talk.response())[2] == b"slow"
    assert (await talk.response())[2] == b"second"
    await talk.send(post(b"third")[-2:])
    assert (await talk.response())[2] == b"third"


@pytest.mark.parametrize("target", ["/kmip?a=b", "https://kms.example:5696/kmip", "HTTP://kms/kmip?"])
async def test_other_forms_of_the_target(start: Start, target: str) -> None:
    assert await (await start()).status(post(target=target)) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Type: application/octet-stream; charset=utf-8"], 200),
        (['Content-Type: Application/Octet-Stream;charset="UTF-8"'], 200),
        (["Content-Type: application/octet-stream", "Content-Encoding: identity"], 200),
        (["Content-Type: application/octet-stream", "Content-Encoding: gzip"], 415),
        (["Content-Type: text/xml; charset=iso-8859-1"], 415),
        (["Content-Type: text/html"], 415),
        (["Content-Type:"], 415),
    ],
)
async def test_content_types(start: Start, headers: list[str], status: int) -> None:
    talk = await start()
    await talk.send(post(b"body", *headers))
    got, answered, _ = await talk.response()
    assert got == status
    assert (b"accept" in answered) == (status == 415)


@pytest.mark.parametrize("target", ["/", "/kmip/", "/kmip2", "/KMIP", "*", "//kmip", "/kmip/../kmip"])
async def test_other_paths_are_not_found(start: Start, target: str) -> None:
    talk = await start()
    assert await talk.status(post(target=target)) == 404
    assert talk.dispatcher.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE", "BREW"])
async def test_other_methods_are_not_allowed_and_the_connection_goes_on(start: Start, method: str) -> None:
    talk = await start()
    await talk.send(f"{method} /kmip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    status, headers, body = await talk.response(method)
    assert (status, headers[b"allow"]) == (405, b"POST")
    assert (body == b"") == (method == "HEAD")
    assert await talk.status(post()) == 200


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT kms:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /kmip HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_nothing_else_is_switched_to(start: Start, data: bytes) -> None:
    talk = await start()
    assert await talk.status(data, "GET") in (404, 405)
    assert await talk.closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n\r\n", 411),
        (b"POST /kmip HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 411),
        (post(b"", "Transfer-Encoding: chunked"), 411),
        (post(bytes(1025)), 413),
        (b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (post(b"x", "Content-Length: 2"), 400),
        (b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /kmip HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
        (b"\x42\x00\x78\x01\x00\x00\x00\x08" + bytes(8), 400),
        (b"\r\n\r\n\r\n nonsense\r\n\r\n", 400),
        (b"POST /kmip HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
        (b"POST /kmip HTTP/1.1\r\nA: " + b"a" * 20000, 431),
    ],
)
async def test_what_is_refused_before_its_body_is_read(start: Start, data: bytes, status: int) -> None:
    talk = await start()
    await talk.send(data)
    got, headers, body = await talk.response()
    assert got == status
    assert headers[b"content-type"].startswith(b"text/plain")
    assert body.endswith(b"\n")
    assert talk.dispatcher.seen == []


async def test_the_body_of_a_refused_request_is_not_taken_for_the_next_one(start: Start) -> None:
    talk = await start()
    assert await talk.status(post(post(b"smuggled"), target="/other")) == 404
    assert await talk.closed()
    assert talk.dispatcher.seen == []


async def test_continue_is_said_to_who_waits_for_it(start: Start) -> None:
    talk = await start()
    data = post(b"body", "Expect: 100-continue")
    assert await talk.status(data[:-4]) == 100
    assert await talk.status(data[-4:]) == 200
    assert await talk.status(post(b"again")) == 200


async def test_no_continue_where_the_body_is_not_wanted(start: Start) -> None:
    talk = await start()
    assert await talk.status(post(bytes(1025), "Expect: 100-continue")[:-1025]) == 413
    assert await talk.closed()


async def test_http_1_0_is_answered_and_closed(start: Start) -> None:
    talk = await start()
    await talk.send(post(b"old", version="1.0"))
    status, headers, body = await talk.response()
    assert (status, headers[b"connection"], body) == (200, b"close", b"old")
    assert await talk.closed()


async def test_a_client_that_asks_for_it_is_closed(start: Start) -> None:
    talk = await start()
    assert await talk.status(post(b"last", "Connection: close")) == 200
    assert await talk.closed()


async def test_a_body_that_is_no_message_does_not_end_the_connection(start: Start) -> None:
    talk = await start()
    assert await talk.status(post(b"no message")) == 200
    await talk.send(post(b"{", "Content-Type: application/json"))
    status, headers, body = await talk.response()
    assert (status, headers[b"content-type"]) == (200, b"application/json")
    assert b"ResponseMessage" in body
    assert talk.dispatcher.rejected == ["not well-formed JSON"]
    assert await talk.status(post()) == 200


async def test_a_bug_closes_its_connection(start: Start) -> None:
    talk = await start()
    await talk.send(post(b"bug"))
    assert await talk.closed()
    await talk.over.wait()


async def test_a_client_that_leaves_within_a_request(start: Start) -> None:
    for part in (post()[:20], post()[:-1]):
        talk = await start()
        await talk.send(part)
        await talk.client.aclose()
        with trio.fail_after(5):
            await talk.over.wait()
        assert talk.dispatcher.seen == []


async def test_an_idle_connection_ends_after_the_idle_timeout(
    start: Start, autojump_clock: trio.testing.MockClock
) -> None:
    talk = await start()
    assert await talk.status(post()) == 200
    began = trio.current_time()
    await talk.over.wait()
    assert 600 <= trio.current_time() - began < 602


@pytest.mark.parametrize("sent", [post()[:5], post()[:-1]])
async def test_a_started_request_must_end_within_the_message_timeout(
    start: Start, autojump_clock: trio.testing.MockClock, sent: bytes
) -> None:
    talk = await start()
    began = trio.current_time()
    for byte in sent:
        if talk.over.is_set():
            break
        await talk.send(bytes([byte]))
        await trio.sleep(1)
    await talk.over.wait()
    assert 30 <= trio.current_time() - began < 33
    assert talk.dispatcher.seen == []


async def test_long_texts_are_read_in_a_thread_and_answered_in_their_encoding(start: Start) -> None:
    talk = await start(Limits(frame_size=1 << 20))
    message = Item(Tag.RESPONSE_MESSAGE, ItemType.STRUCTURE, (Item(Tag.DATA, ItemType.BYTE_STRING, bytes(20_000)),))
    for content_type, text in (
        ("text/xml", ttlv_xml.to_xml(message)),
        ("application/json", ttlv_json.to_json(message)),
    ):
        await talk.send(post(text.encode(), f"Content-Type: {content_type}"))
        status, headers, body = await talk.response()
        assert (status, headers[b"content-type"]) == (200, content_type.encode())
        assert body.decode() == text
    assert talk.dispatcher.seen == [ttlv.encode(message)] * 2


async def test_an_answer_that_xml_cannot_hold_is_refused_and_the_connection_kept(start: Start) -> None:
    talk = await start()
    bell = Item(Tag.RESPONSE_MESSAGE, ItemType.STRUCTURE, (Item(Tag.NAME_VALUE, ItemType.TEXT_STRING, "\a"),))
    assert await talk.status(post(ttlv_json.to_json(bell).encode(), "Content-Type: application/json")) == 200
    talk.dispatcher.answer = ttlv.encode(bell)
    assert await talk.status(post(b"<RequestMessage/>", "Content-Type: text/xml")) == 406
    assert await talk.status(post()) == 200


async def test_a_connection_that_is_ended_from_outside_begins_nothing(start: Start) -> None:
    talk = await start()
    talk.connection.ended = "the daemon is stopping"
    await talk.send(post())
    await talk.over.wait()
    assert talk.dispatcher.seen == []


async def test_a_request_in_work_is_answered_when_the_daemon_stops(start: Start) -> None:
    talk = await start()
    await talk.send(post(b"slow"))
    await trio.testing.wait_all_tasks_blocked()
    talk.connections.drain()
    talk.dispatcher.finish.set()
    status, headers, body = await talk.response()
    assert (status, headers[b"connection"], body) == (200, b"close", b"slow")
    await talk.over.wait()
