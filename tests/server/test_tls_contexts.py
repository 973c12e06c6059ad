"""What a context offers, what it is made from, and how it is replaced."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from kmsd.server.tls import (
    CurrentContext,
    HandshakeFailed,
    TLSConfigurationError,
    TLSStream,
    accept_tls,
    make_context,
)

from .conftest import Pki, SocketPair
from .handshakes import shake_hands, soon


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


def test_no_callback_of_pythons_looks_at_a_clients_server_name(pki: Pki) -> None:
    # It would write a traceback to standard error where the name is not ASCII: for any client, as often as it likes.
    first, second = pki.server_context(), pki.server_context()
    current = CurrentContext(first)
    assert first.sni_callback is None
    current.replace(second)
    assert second.sni_callback is None
    current.replace(first)
    assert first.sni_callback is None
