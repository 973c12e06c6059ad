"""Who gets through the handshake, and sessions that are offered again."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trio.testing
import trustme

from kmsd.server.tls import (
    HandshakeFailed,
    Secured,
    StreamKind,
    TLSStream,
    accept_tls,
)

from .conftest import Pki, SocketPair
from .handshakes import shake_hands, soon


async def refusal(
    pki: Pki, pair: tuple[socket.socket, socket.socket], client_context: ssl.SSLContext, kind: StreamKind
) -> tuple[str, str]:
    """What each side says about a handshake that must fail: (server, client)."""
    client_socket, server_socket = pair
    client = TLSStream(
        client_context.wrap_socket(client_socket, server_hostname="localhost", do_handshake_on_connect=False)
    )
    said: list[str] = []

    async def use() -> None:
        try:
            await client.do_handshake()
            said.append(repr(await client.receive_some()))
        except ssl.SSLError as error:
            said.append(error.reason)
        except trio.BrokenResourceError as error:
            said.append(str(error))
        await client.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use)
        with pytest.raises(HandshakeFailed) as caught:
            await accept_tls(server_socket, pki.server_context(), soon(), stream=kind)
    return str(caught.value), said[0]


async def test_no_client_certificate_is_refused_and_both_sides_know_why(
    pki: Pki, socket_pair: SocketPair, kind: StreamKind
) -> None:
    server, client = await refusal(pki, socket_pair(), pki.client_context(None), kind)
    assert server == "peer did not return a certificate"
    if kind == "sslsocket":
        assert "certificate required" in client.lower()


async def test_a_certificate_of_another_authority_is_refused_and_both_sides_know_why(
    pki: Pki, socket_pair: SocketPair, kind: StreamKind
) -> None:
    server, client = await refusal(pki, socket_pair(), pki.client_context(pki.stranger), kind)
    assert server.startswith("certificate not accepted: ")
    assert "issuer" in server or "self" in server
    if kind == "sslsocket":
        assert "unknown ca" in client.lower()


async def test_a_client_that_sends_before_it_reads_learns_of_its_refusal(pki: Pki, socket_pair: SocketPair) -> None:
    client_socket, server_socket = socket_pair()
    client = TLSStream(
        pki.client_context(None).wrap_socket(client_socket, server_hostname="localhost", do_handshake_on_connect=False)
    )

    async def use() -> None:
        await client.do_handshake()
        for _ in range(5):
            await client.send_all(bytes(1000))
            await trio.testing.wait_all_tasks_blocked(0.01)
        with pytest.raises(trio.BrokenResourceError, match="certificate required"):
            await client.receive_some()
        await client.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use)
        with pytest.raises(HandshakeFailed):
            await accept_tls(server_socket, pki.server_context(), soon())


async def test_tls_1_1_is_refused(pki: Pki, socket_pair: SocketPair, kind: StreamKind) -> None:
    context = pki.client_context(pki.client)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 is"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    server, _ = await refusal(pki, socket_pair(), context, kind)
    assert server == "unsupported protocol"


async def test_bytes_that_are_no_tls_are_refused(pki: Pki, socket_pair: SocketPair, kind: StreamKind) -> None:
    client, server = socket_pair()
    client.send(b"\x42\x00\x78\x01\x00\x00\x00\x00 a request without TLS")
    client.shutdown(socket.SHUT_WR)
    with pytest.raises(HandshakeFailed, match=r"wrong version number|record"):
        await accept_tls(server, pki.server_context(), soon(), stream=kind)
    client.close()


async def test_a_silent_client_is_given_up_at_the_deadline(pki: Pki, socket_pair: SocketPair, kind: StreamKind) -> None:
    client, server = socket_pair()
    with pytest.raises(HandshakeFailed, match="no handshake in time"):
        await accept_tls(server, pki.server_context(), trio.current_time() + 0.02, stream=kind)
    client.setblocking(True)
    assert client.recv(100) == b""
    client.close()


async def test_a_client_that_hangs_up_within_the_handshake_is_no_surprise(
    pki: Pki, socket_pair: SocketPair, kind: StreamKind
) -> None:
    client, server = socket_pair()
    client.close()
    with pytest.raises(HandshakeFailed):
        await accept_tls(server, pki.server_context(), soon(), stream=kind)


async def second_connection(
    pki: Pki,
    socket_pair: SocketPair,
    version: ssl.TLSVersion,
    *servers: ssl.SSLContext,
    certificate: trustme.LeafCert | None = None,
    between: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    stream: StreamKind = "sslsocket",
) -> tuple[bool, bytes]:
    """Connect twice, offering the first one's session to the second: was it taken, with which certificate."""
    client_context = pki.client_context(certificate or pki.client)
    client_context.maximum_version = version
    client, secured = await shake_hands(socket_pair(), client_context, servers[0])
    assert isinstance(client, TLSStream)
    await secured.stream.send_all(b"x")
    await client.receive_some()
    session = client.socket.session
    await client.aclose()
    await secured.stream.aclose()
    await between()
    raw_client, raw_server = socket_pair()
    again = TLSStream(
        client_context.wrap_socket(
            raw_client, server_hostname="localhost", do_handshake_on_connect=False, session=session
        )
    )
    accepted: list[Secured] = []

    async def accept() -> None:
        accepted.append(await accept_tls(raw_server, servers[-1], soon(), stream=stream))

    async with again:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await again.do_handshake()
        reused = again.socket.session_reused
    await accepted[0].stream.aclose()
    return reused, accepted[0].certificate


async def test_tls_1_3_sessions_are_not_resumed(pki: Pki, socket_pair: SocketPair) -> None:
    reused, _ = await second_connection(pki, socket_pair, ssl.TLSVersion.TLSv1_3, pki.server_context())
    assert not reused


async def test_a_resumed_tls_1_2_session_still_has_its_certificate_and_is_not_kept(
    pki: Pki, socket_pair: SocketPair
) -> None:
    context = pki.server_context()
    reused, certificate = await second_connection(pki, socket_pair, ssl.TLSVersion.TLSv1_2, context)
    assert reused
    assert certificate == ssl.PEM_cert_to_DER_cert(pki.client.cert_chain_pems[0].bytes().decode())
    assert context.session_stats()["number"] == 0


async def test_a_certificate_that_expired_since_its_session_began_is_refused(
    pki: Pki, socket_pair: SocketPair, kind: StreamKind
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    certificate = pki.ca.issue_cert("alice@clients.test", not_after=end)

    async def expiry() -> None:
        await trio.sleep((end - datetime.now(UTC)).total_seconds() + 0.01)

    with pytest.RaisesGroup(pytest.RaisesExc(HandshakeFailed, match="expired since its session began")):
        await second_connection(
            pki,
            socket_pair,
            ssl.TLSVersion.TLSv1_2,
            pki.server_context(),
            certificate=certificate,
            between=expiry,
            stream=kind,
        )


async def test_no_session_outlives_the_context_that_made_it(
    pki: Pki, socket_pair: SocketPair, version: ssl.TLSVersion
) -> None:
    reused, _ = await second_connection(pki, socket_pair, version, pki.server_context(), pki.server_context())
    assert not reused
