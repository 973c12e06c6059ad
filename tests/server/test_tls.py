"""Streams over TLS."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from kmsd.server.tls import (
    Secured,
    StreamKind,
    TLSStream,
    accept_tls,
    close_lingering,
)

from .conftest import Pki, SocketPair
from .handshakes import shake_hands, soon

Make = Callable[[], Awaitable[tuple[trio.abc.Stream, Secured]]]


@pytest.fixture
def make(pki: Pki, socket_pair: SocketPair, kind: StreamKind, version: ssl.TLSVersion) -> Make:
    client_context, server_context = pki.client_context(pki.client), pki.server_context()
    client_context.maximum_version = version

    async def make() -> tuple[trio.abc.Stream, Secured]:
        return await shake_hands(socket_pair(), client_context, server_context, kind)

    return make


async def test_it_is_a_two_way_stream(make: Make, pki: Pki, kind: StreamKind, version: ssl.TLSVersion) -> None:
    async def streams() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        client, secured = await make()
        return client, secured.stream

    async def clogged() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        # A local socket: on TCP the peer's kernel makes room again when it likes.
        one, two = socket.socketpair()
        context = pki.client_context(pki.client)
        context.maximum_version = version
        client, secured = await shake_hands((one, two), context, pki.server_context())
        for stream in (client, secured.stream):
            assert isinstance(stream, TLSStream)
            # Short records, so that none is cut.
            while select.select([], [stream.socket], [], 0)[1]:
                await stream.send_now(bytes(256))
        return client, secured.stream

    await trio.testing.check_two_way_stream(streams, clogged if kind == "sslsocket" else None)


async def test_the_clients_certificate_and_the_session_are_told(make: Make, pki: Pki, version: ssl.TLSVersion) -> None:
    client, secured = await make()
    pem = pki.client.cert_chain_pems[0].bytes().decode()
    assert secured.certificate == ssl.PEM_cert_to_DER_cert(pem)
    assert secured.version == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    assert "GCM" in secured.cipher or "CHACHA20" in secured.cipher
    await trio.aclose_forcefully(client)
    await trio.aclose_forcefully(secured.stream)


@pytest.fixture
async def pair(pki: Pki, socket_pair: SocketPair) -> tuple[TLSStream, TLSStream]:
    client, secured = await shake_hands(socket_pair(), pki.client_context(pki.client), pki.server_context())
    assert isinstance(client, TLSStream)
    assert isinstance(secured.stream, TLSStream)
    return client, secured.stream


async def test_a_cancelled_receive_loses_nothing(pair: tuple[TLSStream, TLSStream]) -> None:
    client, server = pair
    async with client, server:
        with trio.move_on_after(0.01) as scope:
            await server.receive_some()
        assert scope.cancelled_caught
        await client.send_all(b"still here")
        assert await server.receive_some() == b"still here"


async def test_a_send_cancelled_half_way_breaks_sending_but_not_receiving(
    pair: tuple[TLSStream, TLSStream],
) -> None:
    client, server = pair
    async with client, server:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.send_all, bytes(8 << 20))
                await trio.testing.wait_all_tasks_blocked(0.01)
                scope.cancel()
        with pytest.raises(trio.BrokenResourceError, match="did not finish"):
            await server.send_all(b"never to be mixed up with the rest of the record")
        await client.send_all(b"x")
        assert await server.receive_some() == b"x"


async def test_a_send_cancelled_before_it_began_changes_nothing(pair: tuple[TLSStream, TLSStream]) -> None:
    client, server = pair
    async with client, server:
        with trio.CancelScope() as scope:
            scope.cancel()
            await server.send_all(b"not sent")
        await server.send_all(b"sent")
        assert await client.receive_some() == b"sent"


async def test_send_now_needs_no_checkpoint_and_keeps_its_promise_where_it_must_wait(
    pair: tuple[TLSStream, TLSStream],
) -> None:
    client, server = pair
    async with client, server:
        waited: list[str] = []
        with trio.testing.assert_no_checkpoints():
            await server.send_now(b"short", partial(waited.append, "short"))
        assert await client.receive_some() == b"short"
        data = bytes(range(256)) * 8192
        got = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send_now, data, partial(waited.append, "long"))
            while len(got) < len(data):
                got += await client.receive_some()
        assert got == data
        assert waited == ["long"]


async def test_an_end_of_the_connection_without_an_alert_is_the_end_of_the_stream(
    pair: tuple[TLSStream, TLSStream],
) -> None:
    client, server = pair
    with socket.socket(fileno=client.socket.detach()) as bare:
        bare.shutdown(socket.SHUT_WR)
        assert await server.receive_some() == b""
    await server.aclose()


async def test_a_lingering_close_delivers_the_answer_while_the_peer_still_sends(kind: StreamKind, pki: Pki) -> None:
    # Real buffer sizes: the data must be unread in the server's kernel when it closes.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        raw = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    raw.setblocking(False)
    accepted.setblocking(False)
    client, secured = await shake_hands((raw, accepted), pki.client_context(pki.client), pki.server_context(), kind)
    await client.send_all(bytes(50_000))

    async def answer() -> None:
        await secured.stream.receive_some(1)
        await secured.stream.send_all(b"enough")
        await close_lingering(secured.stream, 20)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        for _ in range(5):
            # Were the connection closed for good by now, this would be answered with a reset.
            await trio.testing.wait_all_tasks_blocked(0.01)
            await client.send_all(bytes(50_000))
        assert await client.receive_some() == b"enough"
        assert await client.receive_some() == b""
        await client.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await secured.stream.send_all(b"x")


async def test_a_lingering_close_ends_with_its_time(pair: tuple[TLSStream, TLSStream]) -> None:
    client, server = pair
    await server.aclose_lingering(0.01)
    with pytest.raises(trio.ClosedResourceError):
        await server.receive_some()
    await client.aclose()


async def test_openssl_updates_its_keys_in_the_middle(pki: Pki) -> None:
    certificate, key = pki.files("client", pki.client)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    got: list[bytes] = []
    with listener:
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(_run_openssl, port, certificate, key, pki.ca_file)
            await trio.lowlevel.wait_readable(listener)
            sock, _ = listener.accept()
            secured = await accept_tls(sock, pki.server_context(), soon())
            assert process.stdin is not None
            assert process.stderr is not None
            for line in (b"one\n", b"two\n"):
                await process.stdin.send_all(line)
                got.append(await secured.stream.receive_some())
                await secured.stream.send_all(b"ok\n")
                # A line "K" is s_client's order to update both sides' keys; it must be read by itself.
                await process.stdin.send_all(b"K\n")
                said = b""
                while b"KEYUPDATE" not in said:
                    said += await process.stderr.receive_some()
            await process.stdin.aclose()
            await secured.stream.aclose()
            await process.stderr.aclose()
    assert got == [b"one\n", b"two\n"]


async def _run_openssl(port: int, certificate: Path, key: Path, ca: Path, *, task_status: object) -> None:
    identity = ["-cert", str(certificate), "-key", str(key)]
    await trio.run_process(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(ca), *identity],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        capture_stdout=True,
        check=False,
        task_status=task_status,  # type: ignore[arg-type]
    )
