"""Both ends of a TLS connection, as tests need them."""

from __future__ import annotations

import socket
import ssl

import trio

from kmsd.server.tls import (
    Secured,
    StreamKind,
    TLSStream,
    accept_tls,
)


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
