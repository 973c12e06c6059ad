"""One connection's conversation, over memory streams where time matters and over TLS where sockets do."""

from __future__ import annotations

import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
import trio
import trio.testing
import trustme

from kmsd.config.settings import Limits
from kmsd.server.connections import Connection, Connections
from kmsd.server.listeners import Server, open_listeners
from kmsd.server.session import Answer, Refused, serve_connection, serve_socket
from kmsd.server.tls import CurrentContext, StreamKind, TLSStream
from protocol.errors import ProtocolError

from .conftest import Pki

REJECTED = b"answer to what is no message"
LIMITS = Limits(frame_size=65536, idle_timeout=600.0, message_timeout=30.0, handshake_timeout=10.0)


def request(body: bytes = b"") -> bytes:
    """A message as framing sees it: a Request Message whose content is nobody's business here."""
    body += bytes(-len(body) % 8)
    return struct.pack(">II", 0x42007801, len(body)) + body


@dataclass
class EchoDispatcher:
    """Answers with the request; a few requests ask for something else."""

    connected: list[tuple[bytes, str]] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    finish: trio.Event = field(default_factory=trio.Event)
    refuse: str = ""

    async def connect(self, certificate: bytes, address: str) -> str:
        if self.refuse:
            raise Refused(self.refuse)
        self.connected.append((certificate, address))
        return "alice"

    async def respond(self, peer: str, frame: bytes) -> Answer:
        assert peer == "alice"
        self.seen.append(frame)
        word = frame[8:].rstrip(b"\0")
        if word == b"bug":
            key = b"a secret of this request"
            raise RuntimeError(f"broken after {len(key)} bytes")
        if word == b"slow":
            await self.finish.wait()
        if word == b"large":
            return Answer(bytes(8 << 20))
        return Answer(frame, close=word == b"last")

    async def reject(self, peer: str, error: ProtocolError) -> bytes:
        assert peer == "alice"
        self.rejected.append(str(error))
        return REJECTED


@dataclass
class Conversation:
    """A client's end of a connection that is being served, and what the server knows about it."""

    client: trio.abc.Stream
    connections: Connections
    connection: Connection
    dispatcher: EchoDispatcher
    over: trio.Event = field(default_factory=trio.Event)

    async def receive(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            data = await self.client.receive_some(size - len(got))
            assert data, f"closed after {len(got)} bytes"
            got += data
        return bytes(got)

    async def ask(self, body: bytes) -> bytes:
        await self.client.send_all(request(body))
        return await self.receive(len(request(body)))


Start = Callable[..., Awaitable[Conversation]]


@pytest.fixture
async def start(nursery: trio.Nursery) -> AsyncIterator[Start]:
    """Serves a connection over memory streams; with `lockstep`, sending takes as long as the client does not read."""
    clients = []

    async def start(limits: Limits = LIMITS, lockstep: bool = False) -> Conversation:
        make = trio.testing.lockstep_stream_pair if lockstep else trio.testing.memory_stream_pair
        client, server = make()
        clients.append(client)
        connections = Connections(limits)
        connection = connections.admit("192.0.2.1", "192.0.2.1:1000")
        conversation = Conversation(client, connections, connection, EchoDispatcher())

        async def serve() -> None:
            with connection.scope:
                await serve_connection(server, "alice", connection, dispatcher=conversation.dispatcher)
            conversation.over.set()

        nursery.start_soon(connections.watch)
        nursery.start_soon(serve)
        return conversation

    yield start
    nursery.cancel_scope.cancel()


async def test_requests_are_answered_in_turn(start: Start) -> None:
    talk = await start()
    for body in (b"", b"one", bytes(1000), b"two"):
        assert await talk.ask(body) == request(body)


async def test_a_request_sent_byte_by_byte_is_the_same_request(start: Start) -> None:
    talk = await start()
    for byte in request(b"byte by byte"):
        await talk.client.send_all(bytes([byte]))
        await trio.testing.wait_all_tasks_blocked()
    assert await talk.receive(24) == request(b"byte by byte")
    assert talk.dispatcher.seen == [request(b"byte by byte")]


async def test_two_requests_in_one_segment_get_two_answers_in_order(start: Start) -> None:
    talk = await start()
    await talk.client.send_all(request(b"first") + request(b"second"))
    assert await talk.receive(32) == request(b"first") + request(b"second")


async def test_a_request_and_a_half_in_one_segment_are_answered_when_whole(start: Start) -> None:
    talk = await start()
    second = request(b"second")
    await talk.client.send_all(request(b"first") + second[:5])
    assert await talk.receive(16) == request(b"first")
    await talk.client.send_all(second[5:])
    assert await talk.receive(16) == second


async def test_the_next_request_waits_until_the_first_is_answered(start: Start) -> None:
    talk = await start()
    await talk.client.send_all(request(b"slow") + request(b"next"))
    await trio.testing.wait_all_tasks_blocked()
    assert talk.dispatcher.seen == [request(b"slow")]
    talk.dispatcher.finish.set()
    assert await talk.receive(32) == request(b"slow") + request(b"next")


async def test_a_message_declared_as_4_gib_is_answered_and_closed_before_its_body(start: Start) -> None:
    talk = await start()
    await talk.client.send_all(struct.pack(">II", 0x42007801, 0xFFFFFFF8))
    assert await talk.receive(len(REJECTED)) == REJECTED
    assert await talk.client.receive_some() == b""
    assert "4294967296" in talk.dispatcher.rejected[0]
    assert talk.dispatcher.seen == []


async def test_requests_before_bytes_that_are_no_message_are_answered(start: Start) -> None:
    talk = await start()
    await talk.client.send_all(request(b"good") + b"GET / HTTP/1.1\r\n\r\n")
    assert await talk.receive(16 + len(REJECTED)) == request(b"good") + REJECTED
    await talk.over.wait()


async def test_the_dispatcher_may_close_after_an_answer(start: Start) -> None:
    talk = await start()
    assert await talk.ask(b"last") == request(b"last")
    assert await talk.client.receive_some() == b""


async def test_a_bug_closes_its_connection_and_is_logged_without_values(
    start: Start, log: list[dict[str, object]]
) -> None:
    talk = await start()
    await talk.client.send_all(request(b"bug"))
    assert await talk.client.receive_some() == b""
    await talk.over.wait()
    entry = next(entry for entry in log if entry["event"] == "request failed")
    assert "RuntimeError: broken after 24 bytes" in str(entry["traceback"])
    assert not any("frame = " in str(value) or isinstance(value, bytes) for value in entry.values())


async def test_a_client_that_leaves_within_a_message_is_noted(start: Start, log: list[dict[str, object]]) -> None:
    talk = await start()
    await talk.client.send_all(request(b"cut")[:9])
    await talk.client.aclose()
    await talk.over.wait()
    assert [entry["event"] for entry in log] == ["connection closed within a message"]


async def test_a_stop_lets_the_request_in_work_be_answered_and_begins_no_other(start: Start) -> None:
    talk = await start()
    await talk.client.send_all(request(b"slow") + request(b"next"))
    await trio.testing.wait_all_tasks_blocked()
    talk.connections.drain()
    talk.dispatcher.finish.set()
    assert await talk.receive(16) == request(b"slow")
    assert await talk.client.receive_some() == b""
    assert talk.dispatcher.seen == [request(b"slow")]


async def test_a_stop_lets_a_started_message_be_completed_and_answered(start: Start) -> None:
    talk = await start()
    await talk.client.send_all(request(b"half")[:12])
    await trio.testing.wait_all_tasks_blocked()
    talk.connections.drain()
    await talk.client.send_all(request(b"half")[12:])
    assert await talk.receive(16) == request(b"half")
    assert await talk.client.receive_some() == b""


async def test_a_request_that_arrives_in_the_moment_of_the_stop_is_not_begun(start: Start) -> None:
    talk = await start()
    await trio.testing.wait_all_tasks_blocked()
    await talk.client.send_all(request(b"too late"))
    talk.connections.drain()  # the session has the data, but has not run since
    await talk.over.wait()
    assert talk.dispatcher.seen == []
    assert talk.connection.ended == "the daemon is stopping"


# --- time -----------------------------------------------------------------------------------------------------


async def test_an_idle_connection_ends_after_the_idle_timeout(
    start: Start, autojump_clock: trio.testing.MockClock
) -> None:
    talk = await start()
    await trio.sleep(599)
    assert await talk.ask(b"just in time") == request(b"just in time")
    await trio.sleep(599)
    assert not talk.over.is_set()
    await trio.sleep(3)
    assert talk.over.is_set()
    assert talk.connection.ended == "no request in time"


async def test_a_started_message_has_less_time_and_single_bytes_do_not_extend_it(
    start: Start, autojump_clock: trio.testing.MockClock
) -> None:
    talk = await start()
    await trio.sleep(100)
    for byte in request(b"slow client")[:14]:
        await talk.client.send_all(bytes([byte]))
        await trio.sleep(2)
    assert not talk.over.is_set()
    await trio.sleep(4)
    assert talk.over.is_set()
    assert talk.connection.ended == "no end of the request in time"
    assert talk.dispatcher.seen == []


async def test_the_start_of_a_next_message_behind_a_whole_one_has_its_time_too(
    start: Start, autojump_clock: trio.testing.MockClock
) -> None:
    talk = await start()
    await talk.client.send_all(request(b"whole") + b"\x42")
    assert await talk.receive(16) == request(b"whole")
    await trio.sleep(32)
    assert talk.connection.ended == "no end of the request in time"


async def test_a_client_that_never_reads_its_answer_is_given_up(
    start: Start, autojump_clock: trio.testing.MockClock
) -> None:
    talk = await start(lockstep=True)
    await talk.client.send_all(request(b"never read"))
    await trio.sleep(29)
    assert not talk.over.is_set()
    await trio.sleep(3)
    assert talk.over.is_set()
    assert talk.connection.ended == "no reader of our answer in time"


async def test_a_long_running_request_is_under_no_deadline_of_the_connection(
    start: Start, autojump_clock: trio.testing.MockClock
) -> None:
    talk = await start()
    await talk.client.send_all(request(b"slow"))
    await trio.sleep(5000)
    talk.dispatcher.finish.set()
    assert await talk.receive(16) == request(b"slow")


# --- over TLS -------------------------------------------------------------------------------------------------


@dataclass
class Daemon:
    server: Server
    dispatcher: EchoDispatcher
    address: tuple[str, int]


@pytest.fixture(params=["sslsocket", "trio"])
def kind(request: pytest.FixtureRequest) -> StreamKind:
    return request.param


Serve = Callable[..., Awaitable[Daemon]]


@pytest.fixture
async def serve(nursery: trio.Nursery, pki: Pki, kind: StreamKind) -> AsyncIterator[Serve]:
    servers = []

    async def serve(limits: Limits = LIMITS) -> Daemon:
        dispatcher = EchoDispatcher()
        tls = CurrentContext(pki.server_context())
        handler = partial(serve_socket, tls=tls, dispatcher=dispatcher, stream=kind)
        server = Server(handler, limits)
        servers.append(server)
        listeners = await nursery.start(server.serve, open_listeners([("127.0.0.1", 0)]))
        return Daemon(server, dispatcher, listeners[0].getsockname())

    yield serve
    for server in servers:
        server.stop(0)


Connect = Callable[..., Awaitable[TLSStream]]


async def exchange(client: TLSStream, message: bytes) -> bytes:
    await client.send_all(message)
    got = b""
    while len(got) < len(message):
        data = await client.receive_some()
        assert data
        got += data
    return got


async def test_a_client_is_identified_once_and_served(serve: Serve, client_stream: Connect, pki: Pki) -> None:
    daemon = await serve()
    async with await client_stream(daemon.address) as client:
        for body in (b"one", bytes(50_000), b"two"):
            assert await exchange(client, request(body)) == request(body)
        host, port = client.socket.getsockname()
    pem = pki.client.cert_chain_pems[0].bytes().decode()
    assert daemon.dispatcher.connected == [(ssl.PEM_cert_to_DER_cert(pem), f"{host}:{port}")]


async def test_a_refused_client_is_closed_without_a_word_and_logged(
    serve: Serve, client_stream: Connect, log: list[dict[str, object]]
) -> None:
    daemon = await serve()
    daemon.dispatcher.refuse = "no tenant has this certificate"
    async with await client_stream(daemon.address) as client:
        assert await client.receive_some() == b""
    assert [(entry["event"], entry["cause"]) for entry in log] == [
        ("connection refused", "no tenant has this certificate")
    ]


@pytest.mark.parametrize(
    ("certificate", "cause"),
    [
        (lambda pki: None, "peer did not return a certificate"),
        (lambda pki: pki.stranger, "certificate not accepted: "),
    ],
    ids=["none", "of another authority"],
)
async def test_without_a_trusted_certificate_there_is_no_service_and_the_log_says_why(
    serve: Serve,
    client_stream: Connect,
    pki: Pki,
    log: list[dict[str, object]],
    certificate: Callable[[Pki], trustme.LeafCert | None],
    cause: str,
) -> None:
    daemon = await serve()
    async with await client_stream(daemon.address, certificate(pki)) as client:
        with contextlib.suppress(trio.BrokenResourceError):  # the alert, where the stream sends one
            assert await client.receive_some() == b""
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert [entry["event"] for entry in log] == ["handshake failed"]
    assert str(log[0]["cause"]).startswith(cause)
    assert daemon.dispatcher.connected == []


async def test_half_open_handshakes_do_not_delay_others_and_end_at_their_deadline(
    serve: Serve, client_stream: Connect
) -> None:
    daemon = await serve(replace(LIMITS, handshake_timeout=0.5))
    silent = [await trio.open_tcp_stream(*daemon.address) for _ in range(20)]
    await silent[0].send_all(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
    async with await client_stream(daemon.address) as client:
        assert await exchange(client, request(b"at once")) == request(b"at once")
        for stream in silent:
            assert await stream.receive_some() == b""
            await stream.aclose()
        assert await exchange(client, request(b"still")) == request(b"still")


async def test_a_client_that_does_not_read_does_not_delay_others_and_is_given_up(
    serve: Serve, client_stream: Connect, log: list[dict[str, object]]
) -> None:
    daemon = await serve(replace(LIMITS, message_timeout=0.5))
    deaf = await client_stream(daemon.address)
    await deaf.send_all(request(b"large"))
    async with await client_stream(daemon.address) as client:
        assert await exchange(client, request(b"at once")) == request(b"at once")
        with trio.fail_after(10):
            while len(daemon.server.connections) > 1:  # noqa: ASYNC110 - the server tells nobody
                await trio.sleep(0.02)
    assert ("connection ended", "no reader of our answer in time") in [
        (entry["event"], entry.get("cause")) for entry in log
    ]
    await deaf.aclose()


async def test_the_answer_to_an_oversized_message_arrives_although_the_client_goes_on_sending(
    serve: Serve, client_stream: Connect
) -> None:
    daemon = await serve()
    async with await client_stream(daemon.address) as client:
        await client.send_all(struct.pack(">II", 0x42007801, 0xFFFFFFF8))
        for _ in range(5):
            # Were the connection closed for good by now, this would be answered with a reset.
            await trio.testing.wait_all_tasks_blocked(0.01)
            await client.send_all(bytes(50_000))
        assert await client.receive_some() == REJECTED
        assert await client.receive_some() == b""


async def test_requests_sent_ahead_do_not_keep_other_tasks_waiting(serve: Serve, client_stream: Connect) -> None:
    daemon = await serve()
    seen = daemon.dispatcher.seen
    async with await client_stream(daemon.address) as client:
        await client.send_all(request(b"x") * 1000)
        most, before = 0, 0
        with trio.fail_after(10):
            while before < 1000:
                await trio.lowlevel.checkpoint()
                most, before = max(most, len(seen) - before), len(seen)
        assert most < 10
