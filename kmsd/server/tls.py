"""TLS for accepted connections, over a stream that costs little.

`TLSStream` talks to a non-blocking `ssl.SSLSocket` directly. `trio.SSLStream` does the same over any stream,
through memory buffers and several checkpoints, at two to three times the cost per message; it stays available
behind the `stream` switch of `accept_tls`, and both pass the same tests.
"""

from __future__ import annotations

import operator
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import trio
from cryptography import x509

from kmsd.server.tls_context import CurrentContext, TLSConfigurationError, cause, make_context

__all__ = [
    "CurrentContext",
    "HandshakeFailed",
    "Secured",
    "StreamKind",
    "TLSConfigurationError",
    "TLSStream",
    "accept_tls",
    "close_lingering",
    "make_context",
]

StreamKind = Literal["sslsocket", "trio"]

_RECEIVE_SIZE = 1 << 14
"""The plaintext of a record at most (RFC 8446 §5.1), and OpenSSL reads from one record at a time."""
_FAREWELL = 1.0
"""Seconds that a failed handshake is kept open so that the client can read the alert."""

_TOO_LATE = "no handshake in time"
_CLOSED = "this stream is closed"


class HandshakeFailed(Exception):
    """The client did not get as far as a connection; the message is the cause, for the log."""


# --- the stream ---------------------------------------------------------------------------------------------


class _Readiness:
    """Waits until a descriptor is ready in one direction; any number of tasks may wait.

    The kernel queue takes one waiter per direction, and TLS sometimes must read to send or write to receive,
    so a second task waits for the first one's result and then tries again.
    """

    __slots__ = ("_busy", "_descriptor", "_others", "_wait")

    def __init__(self, wait: Callable[[int], Awaitable[None]], descriptor: int) -> None:
        self._wait = wait
        self._descriptor = descriptor
        self._busy = False
        self._others: trio.lowlevel.ParkingLot | None = None

    async def wait(self) -> None:
        if self._busy:
            self._others = self._others or trio.lowlevel.ParkingLot()
            await self._others.park()
            return
        self._busy = True
        try:
            await self._wait(self._descriptor)
        finally:
            self._busy = False
            if self._others is not None:
                self._others.unpark_all()


class TLSStream(trio.abc.Stream):
    """A stream over an `ssl.SSLSocket`, which it makes non-blocking and owns.

    One task may receive while one sends. Like trio's streams it raises BrokenResourceError for what the peer
    or the network did, ClosedResourceError after `aclose`, BusyResourceError for two tasks in one direction.

    Cancellation: `receive_some` loses nothing. `send_all` that is cancelled before it took any byte changes nothing;
    cancelled later, a record may be half sent, so all further sending raises BrokenResourceError.

    The end of the connection without a TLS closure alert counts as the end of the stream: KMIP messages carry their
    length, so a cut one is noticed without it.
    """

    __slots__ = ("_broken", "_closed", "_more", "_readable", "_receiving", "_sending", "_socket", "_writable")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._readable = _Readiness(trio.lowlevel.wait_readable, sock.fileno())
        self._writable = _Readiness(trio.lowlevel.wait_writable, sock.fileno())
        self._closed = False
        self._broken = False
        self._receiving = False
        self._sending = False
        self._more = True  # OpenSSL may have decrypted what nobody has taken yet

    @property
    def socket(self) -> ssl.SSLSocket:
        """For questions about the connection (certificate, version, cipher), not for data."""
        return self._socket

    async def do_handshake(self) -> None:
        """Raises ssl.SSLError and OSError as they are: they say why."""
        while True:
            try:
                self._socket.do_handshake()
            except ssl.SSLWantReadError:
                await self._readable.wait()
            except ssl.SSLWantWriteError:
                await self._writable.wait()
            else:
                return
            self._check_open()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is None:
            max_bytes = _RECEIVE_SIZE
        elif operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._closed or self._receiving:
            self._check_open()
            raise trio.BusyResourceError("another task receives from this stream")
        self._receiving = True
        try:
            # Waiting before the first attempt is cheaper than being told to wait: between two requests there is
            # nothing to read. What OpenSSL has decrypted already would not wake us, hence pending().
            if self._more and self._socket.pending():
                await trio.lowlevel.checkpoint()
            else:
                await self._readable.wait()
            while not self._closed:
                try:
                    data = self._socket.recv(max_bytes)
                    self._more = len(data) == max_bytes
                    return data
                except ssl.SSLWantReadError:
                    await self._readable.wait()
                except ssl.SSLWantWriteError:
                    await self._writable.wait()
                except OSError as error:
                    raise trio.BrokenResourceError(cause(error)) from error
            raise trio.ClosedResourceError(_CLOSED)
        finally:
            self._receiving = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._begin_sending()
        try:
            await self._writable.wait()
            await self._send(data)
        finally:
            self._sending = False

    async def send_now(self, data: bytes, before_waiting: Callable[[], None] | None = None) -> None:
        """As `send_all`, but no checkpoint if the kernel takes all at once, as it does with most answers.

        For who has a checkpoint elsewhere in his loop; it saves one trip through the scheduler. Where the kernel does
        not, `before_waiting` is called first.
        """
        self._begin_sending()
        try:
            await self._send(data, before_waiting)
        finally:
            self._sending = False

    async def _send(
        self, data: bytes | bytearray | memoryview, before_waiting: Callable[[], None] | None = None
    ) -> None:
        rest = memoryview(data).cast("B") if type(data) is not bytes else data
        if not rest:
            return
        try:
            while True:
                self._check_open()
                try:
                    sent = self._socket.send(rest)
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as wanted:
                    if before_waiting is not None:
                        before_waiting()
                        before_waiting = None  # the time to take it all begins once
                    ready = self._writable if isinstance(wanted, ssl.SSLWantWriteError) else self._readable
                    await ready.wait()
                except OSError as error:
                    raise trio.BrokenResourceError(cause(error)) from error
                else:
                    if sent == len(rest):
                        return
                    rest = memoryview(rest)[sent:]
        except BaseException:
            # OpenSSL holds the record that it could not send, and would send it before any other data.
            self._broken = True
            raise

    async def wait_send_all_might_not_block(self) -> None:
        self._begin_sending()
        try:
            await self._writable.wait()
        finally:
            self._sending = False

    async def aclose(self) -> None:
        """Say goodbye if that needs no waiting, and close."""
        if not self._closed:
            self._goodbye()
            self._close()
        await trio.lowlevel.checkpoint()

    async def aclose_lingering(self, seconds: float) -> None:
        """Say goodbye and throw away what still arrives until the peer closes or the time is up; then close.

        Closing a socket with unread data resets the connection, which can destroy our last answer before the
        peer has read it. Whoever answers a message that he did not read to its end closes with this.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        try:
            self._goodbye()
            self._broken = True
            # From here on the SSLSocket reads the bare connection.
            self._socket.shutdown(socket.SHUT_WR)
            with trio.move_on_after(seconds):
                while True:
                    await self._readable.wait()
                    if self._closed or not self._socket.recv(_RECEIVE_SIZE):
                        break
        except OSError:
            # The peer has gone: there is nobody to wait for.
            pass
        finally:
            self._close()

    def _goodbye(self) -> None:
        if self._broken:
            return
        try:
            # Sends the closure alert; on a non-blocking socket it does not wait for the peer's.
            self._socket.unwrap()
        except (OSError, ValueError):
            # Courtesy only: the peer has gone, has not finished the handshake, or does not read.
            self._broken = True

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def _begin_sending(self) -> None:
        if self._closed or self._sending or self._broken:
            self._check_open()
            if self._sending:
                raise trio.BusyResourceError("another task sends to this stream")
            raise trio.BrokenResourceError("an earlier send did not finish")
        self._sending = True

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError(_CLOSED)


# --- accepting ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection after its handshake; `certificate` is the client's, DER, verified, read once."""

    stream: trio.abc.Stream
    certificate: bytes
    version: str
    cipher: str


async def accept_tls(
    sock: socket.socket, context: ssl.SSLContext, deadline: float, *, stream: StreamKind = "sslsocket"
) -> Secured:
    """Do the server's side of a handshake until `deadline` (trio's clock), and own `sock` from now on.

    Raises HandshakeFailed with the cause; `sock` is closed then.
    """
    return await _ACCEPT[stream](sock, context, deadline)


async def close_lingering(stream: trio.abc.Stream, seconds: float) -> None:
    """`TLSStream.aclose_lingering` for either kind of stream; others are just closed."""
    if isinstance(stream, TLSStream):
        await stream.aclose_lingering(seconds)
        return
    if isinstance(stream, trio.SSLStream):
        transport = stream.transport_stream
        try:
            with trio.move_on_after(seconds):
                await transport.send_eof()
                while await transport.receive_some():
                    pass
        except trio.BrokenResourceError:
            pass
    await trio.aclose_forcefully(stream)


async def _accept_sslsocket(sock: socket.socket, context: ssl.SSLContext, deadline: float) -> Secured:
    try:
        wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    except (OSError, ValueError) as error:
        # The client has gone already: the socket has no peer.
        sock.close()
        raise HandshakeFailed(cause(error)) from error
    stream = TLSStream(wrapped)
    try:
        with trio.move_on_at(deadline):
            await stream.do_handshake()
            return _secured(stream, wrapped)
        raise HandshakeFailed(_TOO_LATE)
    except OSError as error:
        await stream.aclose_lingering(_FAREWELL)
        raise HandshakeFailed(cause(error)) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _accept_trio(sock: socket.socket, context: ssl.SSLContext, deadline: float) -> Secured:
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    stream = trio.SSLStream(transport, context, server_side=True, https_compatible=True)
    try:
        with trio.move_on_at(deadline):
            await stream.do_handshake()
            return _secured(stream, stream)
        raise HandshakeFailed(_TOO_LATE)
    except trio.BrokenResourceError as error:
        await close_lingering(stream, _FAREWELL)
        raise HandshakeFailed(cause(error.__cause__ or error)) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


_Accept = Callable[[socket.socket, ssl.SSLContext, float], Awaitable[Secured]]
_ACCEPT: dict[StreamKind, _Accept] = {"sslsocket": _accept_sslsocket, "trio": _accept_trio}


def _secured(stream: trio.abc.Stream, tls: Any) -> Secured:
    certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        raise HandshakeFailed("the context does not require a client certificate")
    if tls.session_reused and x509.load_der_x509_certificate(certificate).not_valid_after_utc < datetime.now(UTC):
        # Verified when the session was made; OpenSSL does not look again.
        raise HandshakeFailed("certificate not accepted: expired since its session began")
    return Secured(stream, certificate, tls.version(), tls.cipher()[0])
