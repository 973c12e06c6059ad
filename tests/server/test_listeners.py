from __future__ import annotations

import errno
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

from kmsd.config.settings import Limits
from kmsd.server.connections import Connection
from kmsd.server.listeners import Server, open_listeners, printable, run_until_signal

LIMITS = Limits(connections=4, connections_per_client=3, keepalive=42.0)


class Lines:
    """A handler that answers one line with another: idle until it has come, then busy until told to go on."""

    def __init__(self) -> None:
        self.proceed = trio.Event()
        self.answered = 0
        self.sockets: list[socket.socket] = []

    async def __call__(self, sock: socket.socket, connection: Connection) -> None:
        self.sockets.append(sock)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        async with stream:
            while not connection.draining:
                connection.expect("line", 1000, idle=True)
                line = await stream.receive_some()
                if connection.ended or not line:
                    return
                if line == b"bug\n":
                    raise RuntimeError("a bug in the handler")
                connection.busy()
                await self.proceed.wait()
                await stream.send_all(b"answer\n")
                self.answered += 1


Serve = Callable[..., Awaitable[tuple[Server, Lines, tuple[str, int]]]]


@pytest.fixture
async def serve(nursery: trio.Nursery) -> AsyncIterator[Serve]:
    servers = []

    async def serve(limits: Limits = LIMITS) -> tuple[Server, Lines, tuple[str, int]]:
        lines = Lines()
        server = Server(lines, limits)
        servers.append(server)
        listeners = await nursery.start(server.serve, open_listeners([("127.0.0.1", 0)]))
        return server, lines, listeners[0].getsockname()

    yield serve
    for server in servers:
        server.stop(0)


async def connections(server: Server, number: int) -> None:
    """Wait until so many connections are open."""
    with trio.fail_after(10):
        while len(server.connections) != number:  # noqa: ASYNC110 - the server tells nobody
            await trio.sleep(0.005)


async def test_a_stop_answers_requests_in_work_and_closes_idle_connections_at_once(serve: Serve) -> None:
    server, lines, address = await serve()
    async with await trio.open_tcp_stream(*address) as busy, await trio.open_tcp_stream(*address) as idle:
        await busy.send_all(b"work\n")
        await connections(server, 2)
        await trio.testing.wait_all_tasks_blocked(0.02)
        server.stop(grace=20)
        assert await idle.receive_some() == b""
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream(*address)
        assert len(server.connections) == 1
        lines.proceed.set()
        assert await busy.receive_some() == b"answer\n"
        assert await busy.receive_some() == b""
    await connections(server, 0)


async def test_the_grace_ends(serve: Serve, log: list[dict[str, object]]) -> None:
    server, lines, address = await serve()
    async with await trio.open_tcp_stream(*address) as busy:
        await busy.send_all(b"work\n")
        await connections(server, 1)
        await trio.testing.wait_all_tasks_blocked(0.02)
        server.stop(grace=0.05)
        assert await busy.receive_some() == b""
    await connections(server, 0)
    assert lines.answered == 0
    await trio.testing.wait_all_tasks_blocked(0.02)
    assert "requests cut off, the time to finish them is over" in [entry["event"] for entry in log]


async def test_a_second_stop_can_shorten_the_grace_but_not_lengthen_it(serve: Serve) -> None:
    server, _, address = await serve()
    async with await trio.open_tcp_stream(*address) as busy:
        await busy.send_all(b"work\n")
        await connections(server, 1)
        await trio.testing.wait_all_tasks_blocked(0.02)
        server.stop(grace=3600)
        server.stop(grace=0)
        server.stop(grace=3600)
        assert await busy.receive_some() == b""


async def test_a_server_stopped_before_it_serves_does_not_serve(nursery: trio.Nursery) -> None:
    server = Server(Lines(), LIMITS)
    listeners = open_listeners([("127.0.0.1", 0)])
    server.stop(grace=10)
    await server.serve(listeners)
    assert listeners[0].fileno() == -1


async def test_connections_beyond_the_limits_are_closed_at_once_and_room_is_given_back(
    serve: Serve, log: list[dict[str, object]]
) -> None:
    server, _, address = await serve()
    kept = [await trio.open_tcp_stream(*address) for _ in range(3)]
    await connections(server, 3)
    for _ in range(2):
        async with await trio.open_tcp_stream(*address) as refused:
            assert await refused.receive_some() == b""
    assert [(entry["event"], entry["cause"]) for entry in log] == [
        ("connection refused", "3 connections of this address are open")
    ]
    other = trio.socket.socket()
    await other.bind(("127.0.0.2", 0))
    await other.connect(address)
    await connections(server, 4)
    last = trio.socket.socket()
    await last.bind(("127.0.0.3", 0))
    await last.connect(address)
    assert await last.recv(1) == b""
    last.close()
    await kept.pop().aclose()
    other.close()
    await connections(server, 2)
    kept.append(await trio.open_tcp_stream(*address))
    await connections(server, 3)
    for stream in kept:
        await stream.aclose()
    await connections(server, 0)


async def test_a_client_by_its_certificate_has_a_limit_over_all_its_addresses(serve: Serve) -> None:
    server, _, _ = await serve()
    for number in range(3):
        connection = server.connections.admit(f"192.0.2.{number}", f"192.0.2.{number}:1")
        connection.identify(b"certificate")
    fourth = server.connections.admit("192.0.2.9", "192.0.2.9:1")
    with pytest.raises(Exception, match="3 connections of this certificate are open"):
        fourth.identify(b"certificate")
    fourth.identify(b"another certificate")
    server.connections.remove(connection)
    server.connections.admit("192.0.2.10", "192.0.2.10:1").identify(b"certificate")


async def test_a_bug_in_a_handler_ends_its_connection_only(serve: Serve, log: list[dict[str, object]]) -> None:
    _, lines, address = await serve()
    lines.proceed.set()
    async with await trio.open_tcp_stream(*address) as other, await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(b"bug\n")
        assert await stream.receive_some() == b""
        await other.send_all(b"hello\n")
        assert await other.receive_some() == b"answer\n"
    assert [entry["event"] for entry in log] == ["connection failed"]
    assert "RuntimeError: a bug in the handler" in str(log[0]["traceback"])


def duplicate() -> int | None:
    """A further descriptor, or None when the process may have no more."""
    try:
        return os.dup(0)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        return None


async def test_running_out_of_descriptors_pauses_accepting_and_it_recovers(
    serve: Serve, log: list[dict[str, object]]
) -> None:
    _, lines, address = await serve()
    lines.proceed.set()
    client = socket.socket()
    client.setblocking(False)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        while (descriptor := duplicate()) is not None:
            taken.append(descriptor)
        with trio.socket.from_stdlib_socket(client) as waiting:
            await waiting.connect(address)  # the kernel does; we cannot accept it
            await waiting.send(b"patient\n")
            with trio.fail_after(10):
                while not log:  # noqa: ASYNC110 - nobody tells but the log
                    await trio.sleep(0.01)
            assert (log[0]["event"], log[0]["cause"]) == ("cannot accept connections", "Too many open files")
            for descriptor in taken:
                os.close(descriptor)
            taken = []
            assert await waiting.recv(100) == b"answer\n"
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_connections_that_are_reset_before_they_are_accepted_do_no_harm(serve: Serve) -> None:
    _, lines, address = await serve()
    lines.proceed.set()
    for _ in range(50):
        with socket.create_connection(address) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await trio.sleep(0.05)
    async with await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(b"hello\n")
        assert await stream.receive_some() == b"answer\n"


async def test_accepted_connections_have_the_options_of_their_listener(serve: Serve) -> None:
    server, lines, address = await serve()
    async with await trio.open_tcp_stream(*address):
        await connections(server, 1)
        await trio.testing.wait_all_tasks_blocked(0.02)
        sock = lines.sockets[0]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 42
        assert sock.gettimeout() == 0


def test_a_port_in_use_is_named_and_nothing_stays_open() -> None:
    [taken] = open_listeners([("127.0.0.1", 0)])
    port = taken.getsockname()[1]
    with taken, pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: Address already in use"):
        open_listeners([("127.0.0.1", 0), ("127.0.0.1", port)])


def test_several_processes_may_share_a_port() -> None:
    [first] = open_listeners([("127.0.0.1", 0)], share_port=True)
    [second] = open_listeners([first.getsockname()], share_port=True)
    with first, second:
        assert first.getsockname() == second.getsockname()


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1 port 0: Cannot assign"):
        open_listeners([("192.0.2.1", 0)])


def test_addresses_are_printed_as_people_write_them() -> None:
    assert printable(("192.0.2.1", 5696)) == "192.0.2.1:5696"
    assert printable(("2001:db8::1", 5696, 0, 0)) == "[2001:db8::1]:5696"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_and_a_second_one_does_not_wait(
    nursery: trio.Nursery, serve: Serve, number: signal.Signals
) -> None:
    server, _, address = await serve()
    told: list[str] = []
    run = partial(run_until_signal, server, stopping=lambda: told.append("stopping"))
    await nursery.start(run)
    async with await trio.open_tcp_stream(*address) as busy, await trio.open_tcp_stream(*address) as idle:
        await busy.send_all(b"work\n")
        await connections(server, 2)
        await trio.testing.wait_all_tasks_blocked(0.02)
        os.kill(os.getpid(), number)
        assert await idle.receive_some() == b""
        assert told == ["stopping"]
        os.kill(os.getpid(), number)
        assert await busy.receive_some() == b""
    nursery.cancel_scope.cancel()
