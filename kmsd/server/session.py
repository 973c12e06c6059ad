"""One connection: handshake, then request and answer in turn until one side has enough."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog
import trio

from kmsd.domain.errors import render
from kmsd.server.connections import Connection, Refused
from kmsd.server.tls import (
    CurrentContext,
    HandshakeFailed,
    StreamKind,
    TLSStream,
    accept_tls,
    close_lingering,
)
from protocol.errors import ProtocolError
from protocol.framing import FrameBuffer

__all__ = ["Answer", "Dispatcher", "Refused", "serve_connection", "serve_socket"]

log = structlog.get_logger("kmsd.session")

LINGER = 2.0
"""Seconds for the client to read our last answer while it may still be sending."""

_READER = "reader of our answer"

_Peer = TypeVar("_Peer")
_Asker = TypeVar("_Asker")


@dataclass(slots=True)
class Answer:
    """A whole response message; with `close`, the last one of its connection."""

    data: bytes
    close: bool = False


class Dispatcher(Protocol[_Peer]):
    """What a session needs to know about requests."""

    async def connect(self, certificate: bytes, address: str) -> _Peer:
        """Who the owner of this certificate (DER, verified) is; raises Refused for nobody we serve."""
        ...

    async def respond(self, peer: _Peer, frame: bytes) -> Answer:
        """The answer to one whole message; raises Refused for who is nobody that we serve any more."""
        ...

    async def reject(self, peer: _Peer, error: ProtocolError) -> bytes:
        """The answer to bytes that are no message."""
        ...


class Converse(Protocol[_Asker]):
    """A protocol spoken over an established connection, which it closes at its end."""

    def __call__(
        self,
        stream: trio.abc.Stream,
        peer: _Asker,
        connection: Connection,
        *,
        dispatcher: Dispatcher[_Asker],
    ) -> Awaitable[None]: ...


async def serve_socket(
    sock: socket.socket,
    connection: Connection,
    *,
    tls: CurrentContext,
    dispatcher: Dispatcher[_Peer],
    stream: StreamKind = "sslsocket",
    converse: Converse[_Peer] | None = None,
) -> None:
    """Serve an accepted connection from its handshake to its end, and own `sock`.

    Once the client is known, `converse` speaks with it; left out, that is `serve_connection`.
    """
    deadline = trio.current_time() + connection.limits.handshake_timeout
    try:
        secured = await accept_tls(sock, tls.context, deadline, stream=stream)
    except HandshakeFailed as error:
        log.info("handshake failed", address=connection.address, cause=str(error))
        return
    try:
        connection.identify(secured.certificate)
        peer = await dispatcher.connect(secured.certificate, connection.address)
    except Refused as error:
        log.warning("connection refused", address=connection.address, cause=str(error))
        await trio.aclose_forcefully(secured.stream)
        return
    except BaseException:
        await trio.aclose_forcefully(secured.stream)
        raise
    connection.client = peer
    converse = serve_connection if converse is None else converse
    await converse(secured.stream, peer, connection, dispatcher=dispatcher)


async def serve_connection(
    stream: trio.abc.Stream,
    peer: _Peer,
    connection: Connection,
    *,
    dispatcher: Dispatcher[_Peer],
) -> None:
    """Answer one request after the other, each in full before the next is looked at; closes `stream`.

    Waiting for the first byte of a request ends after `idle_timeout`; a started request must be complete, and
    an answer be taken, within `message_timeout`. Bytes that are no message are answered, then the connection
    closes. An exception of the dispatcher is logged and closes this connection only.
    """
    try:
        if await _converse(stream, peer, connection, dispatcher):
            connection.idle = True
            await close_lingering(stream, LINGER)
    except trio.BrokenResourceError as error:
        log.info("connection lost", address=connection.address, cause=str(error.__cause__ or error))
    finally:
        await stream.aclose()


async def _converse(
    stream: trio.abc.Stream,
    peer: _Peer,
    connection: Connection,
    dispatcher: Dispatcher[_Peer],
) -> bool:
    """Returns whether the client may still be sending while it should read our last answer."""
    frames = FrameBuffer(connection.limits.frame_size)
    send = _sender(stream, connection)
    begun = False  # there is something of the next request already
    while True:
        try:
            frame = frames.next_frame() if begun else None
            started = False  # the deadline of the message that they begin is set
            while frame is None:
                if not begun:
                    connection.expect("request", connection.limits.idle_timeout, idle=True)
                elif not started:
                    started = True
                    connection.expect("end of the request", connection.limits.message_timeout, idle=False)
                data = await stream.receive_some()
                if connection.ended:
                    # Ended in the moment that the data arrived: begin nothing that would be cancelled half-way.
                    return False
                if not data:
                    if begun:
                        log.info("connection closed within a message", address=connection.address)
                    return False
                if not begun:
                    # What a reload has changed meanwhile holds from the next request on.
                    frames.max_size = connection.limits.frame_size
                    begun = True
                frame = frames.next_received(bytes(data))
        except ProtocolError as error:
            log.info("no message", address=connection.address, cause=str(error))
            connection.expect(_READER, connection.limits.message_timeout, idle=False)
            await send(await dispatcher.reject(peer, error))
            return True
        connection.busy()
        try:
            answer = await dispatcher.respond(peer, frame)
        except Refused as error:
            log.warning("connection refused", address=connection.address, cause=str(error))
            return False
        except Exception as error:
            log.error("request failed", address=connection.address, traceback=render(error))
            return False
        await send(answer.data)
        if answer.close:
            return True
        if connection.draining:
            return False
        begun = frames.partial
        if begun:
            # Requests sent ahead of their answers must not keep the others waiting.
            await trio.lowlevel.checkpoint()


def _sender(stream: trio.abc.Stream, connection: Connection) -> Callable[[bytes], Awaitable[None]]:
    """Sends an answer; who must be waited for has `message_timeout` to take it."""

    def wait() -> None:
        connection.expect(_READER, connection.limits.message_timeout, idle=False)

    async def send_all(data: bytes) -> None:
        wait()
        await stream.send_all(data)

    return partial(stream.send_now, before_waiting=wait) if isinstance(stream, TLSStream) else send_all
