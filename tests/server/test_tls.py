from __future__ import annotations

import select
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from kmsd.server.tls import (
    CurrentContext,
    HandshakeFailed,
    Secured,
    StreamKind,
    TLSConfigurationError,
    TLSStream,
    accept_tls,
    close_lingering,
    make_context,
)

from .conftest import Pki, SocketPair

KINDS: list[StreamKind] = ["sslsocket", "trio"]
Make = Callable[[], Awaitable[tuple[trio.abc.Stream, Secured]]]


def soon() -> float:
    return trio.current_time() + 20


async def shake_hands(
    pair: tuple[socket.socket, socket.socket],
    client_context: ssl.SSLContext,
    server_context: ssl.SSLContext,
    kind: StreamKind = "sslsocket",
) -> tuple[trio.abc.Stream, Secured]:
    """A client of the same kind and what `accept_tls` makes of its connection."""
    client_socket, server_socket = pair
    client: TLSStream | trio.SSLStream[trio.SocketStream]
    if kind == "sslsocket":
        client = TLSStream(
            client_context.wrap_socket(client_socket, server_hostname="localhost", do_handshake_on_connect=False)
        )
    else:
        transport = trio.SocketStream(trio.socket.from_stdlib_socket(client_socket))
        client = trio.SSLStream(transport, client_context, server_hostname="localhost", https_compatible=True)
    secured: list[Secured] = []

    async def accept() -> None:
        secured.append(await accept_tls(server_socket, server_context, soon(), stream=kind))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        nursery.start_soon(client.do_handshake)
    return client, secured[0]


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return request.param


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> StreamKind:
    return request.param


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
        with trio.testing.assert_no_checkpoints():
            await server.send_now(b"short")
        assert await client.receive_some() == b"short"
        data = bytes(range(256)) * 8192
        got = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send_now, data)
            while len(got) < len(data):
                got += await client.receive_some()
        assert got == data


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


# --- handshakes ---------------------------------------------------------------------------------------------


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


# --- contexts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", list(trustme.KeyType))
@pytest.mark.parametrize(
    "cipher",
    ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"],
)
async def test_tls_1_2_clients_find_a_cipher_for_either_kind_of_certificate(
    pki: Pki, socket_pair: SocketPair, key_type: trustme.KeyType, cipher: str
) -> None:
    certificate = pki.ca.issue_cert("localhost", key_type=key_type)
    context = make_context(*pki.files(f"server-{key_type.name}", certificate), [pki.ca_file])
    client_context = pki.client_context(pki.client)
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    name = f"ECDHE-{key_type.name}-{cipher}"
    client_context.set_ciphers(name)
    client, secured = await shake_hands(socket_pair(), client_context, context)
    assert secured.cipher == name
    await client.aclose()
    await secured.stream.aclose()


def test_nothing_weak_is_offered(pki: Pki) -> None:
    context = pki.server_context()
    for cipher in context.get_ciphers():
        assert cipher["aead"], cipher
        assert cipher["protocol"] in {"TLSv1.2", "TLSv1.3"}
        assert cipher["kea"] in {"kx-ecdhe", "kx-any"}, cipher
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION


async def test_tls_1_2_can_be_excluded(pki: Pki, socket_pair: SocketPair) -> None:
    context = pki.client_context(pki.client)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    raw_client, raw_server = socket_pair()
    client = TLSStream(context.wrap_socket(raw_client, server_hostname="localhost", do_handshake_on_connect=False))

    async def use() -> None:
        with pytest.raises(ssl.SSLError):
            await client.do_handshake()
        await client.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use)
        with pytest.raises(HandshakeFailed, match="unsupported protocol"):
            await accept_tls(raw_server, pki.server_context(minimum_version="1.3"), soon())


def test_a_file_that_cannot_be_used_is_named(pki: Pki, tmp_path: Path) -> None:
    certificate, key = pki.files("server", pki.server)
    _, other_key = pki.files("client", pki.client)
    with pytest.raises(TLSConfigurationError, match=r"server\.pem with .*client\.key: key (values|type)"):
        make_context(certificate, other_key, [pki.ca_file])
    with pytest.raises(TLSConfigurationError, match=r"missing\.pem: No such file or directory"):
        make_context(certificate, key, [tmp_path / "missing.pem"])
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(TLSConfigurationError, match=r"empty\.pem"):
        make_context(certificate, key, [empty])


async def test_a_replaced_context_serves_new_connections_and_leaves_established_ones(
    pki: Pki, socket_pair: SocketPair
) -> None:
    current = CurrentContext(pki.server_context())
    old_client, old = await shake_hands(socket_pair(), pki.client_context(pki.client), current.context)
    renewed = pki.other_ca.issue_cert("localhost")
    authority = pki.write("other-ca.pem", pki.other_ca.cert_pem)
    kept = current.context
    current.replace(make_context(*pki.files("renewed", renewed), [authority]))
    # One who takes the context anew, and one who has kept the first.
    for context in (current.context, kept):
        client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pki.other_ca.configure_trust(client_context)
        pki.stranger.configure_cert(client_context)
        client, secured = await shake_hands(socket_pair(), client_context, context)
        assert isinstance(client, TLSStream)
        pem = renewed.cert_chain_pems[0].bytes().decode()
        assert client.socket.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(pem)
        await client.aclose()
        await secured.stream.aclose()
        # Clients of the authority that is trusted no longer are refused.
        raw_client, raw_server = socket_pair()
        pki.client.configure_cert(client_context)
        refused = TLSStream(
            client_context.wrap_socket(raw_client, server_hostname="localhost", do_handshake_on_connect=False)
        )

        async def use(refused: TLSStream = refused) -> None:
            await refused.do_handshake()
            with pytest.raises(trio.BrokenResourceError, match="unknown ca"):
                await refused.receive_some()
            await refused.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(use)
            with pytest.raises(HandshakeFailed, match="certificate not accepted"):
                await accept_tls(raw_server, context, soon())
    await old_client.send_all(b"as before")
    assert await old.stream.receive_some() == b"as before"
    await old_client.aclose()
    await old.stream.aclose()


# --- other people's clients ---------------------------------------------------------------------------------


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


def test_no_callback_of_pythons_looks_at_a_clients_server_name(pki: Pki) -> None:
    # It would write a traceback to standard error where the name is not ASCII: for any client, as often as it likes.
    first, second = pki.server_context(), pki.server_context()
    current = CurrentContext(first)
    assert first.sni_callback is None
    current.replace(second)
    assert second.sni_callback is None
    current.replace(first)
    assert first.sni_callback is None
