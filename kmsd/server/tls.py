"""TLS for accepted connections: contexts that can be replaced while serving, and a stream that costs little.

`TLSStream` talks to a non-blocking `ssl.SSLSocket` directly. `trio.SSLStream` does the same over any stream,
through memory buffers and several checkpoints, at about three times the cost per message; it stays available
behind the `stream` switch of `accept_tls`, and both pass the same tests.
"""

from __future__ import annotations

import operator
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import trio

StreamKind = Literal["sslsocket", "trio"]

_RECEIVE_SIZE = 65536
_FAREWELL = 1.0
"""Seconds that a failed handshake is kept open so that the client can read the alert."""

_TOO_LATE = "no handshake in time"

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and AEAD only, for RSA and ECDSA certificates. TLS 1.3 has nothing weaker."""

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TLSConfigurationError(ValueError):
    """A certificate, key or authority file that cannot be used; the message names it."""


class HandshakeFailed(Exception):
    """The client did not get as far as a connection; the message is the cause, for the log."""


# --- contexts -----------------------------------------------------------------------------------------------


def make_context(
    certificate: Path,
    private_key: Path,
    client_ca: Iterable[Path],
    *,
    minimum_version: Literal["1.2", "1.3"] = "1.2",
    password: bytes = b"",
) -> ssl.SSLContext:
    """A server context that takes TLS 1.2 and 1.3 and requires a client certificate of one of `client_ca`.

    All files are PEM; `certificate` holds the server's certificate, then its intermediates. Raises
    TLSConfigurationError.

    TLS 1.3 sessions are not resumed. Python has no switch for those of TLS 1.2: they are resumed for at most
    two hours and only in the context that made them, with the client's certificate as it was verified then;
    tickets spare us keeping them. So whoever identifies a client looks at the certificate's dates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[minimum_version]
    context.set_ciphers(_CIPHERS)
    context.options |= (
        ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        # A password is always given: without one OpenSSL asks on the terminal.
        context.load_cert_chain(certificate, private_key, lambda: password)
    except OSError as error:
        raise TLSConfigurationError(f"{certificate} with {private_key}: {_cause(error)}") from error
    for path in client_ca:
        try:
            context.load_verify_locations(path)
        except OSError as error:
            raise TLSConfigurationError(f"{path}: {_cause(error)}") from error
    return context


class CurrentContext:
    """The context for new connections, which a reload replaces without touching established ones.

    Whoever accepts takes `.context` each time. A handshake that began with an older one (just before the
    change, or in a server that keeps what it was given at start) still serves the newest certificate and
    trusts the newest authorities: the server name callback installs them at the ClientHello, also where the
    client sends no name. Versions, ciphers, options and resumable sessions stay those of the older context.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.replace(context)

    def replace(self, context: ssl.SSLContext) -> None:
        self.context = context
        context.sni_callback = self._install

    def _install(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, initial: ssl.SSLContext
    ) -> None:
        if initial is not self.context:
            connection.context = self.context


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

    Cancellation: `receive_some` loses nothing. `send_all` that is cancelled before it took any byte changes
    nothing; cancelled later, a record may be half sent, so all further sending raises BrokenResourceError.

    The end of the connection without a TLS closure alert counts as the end of the stream: KMIP messages
    carry their length, so a cut one is noticed without it.
    """

    __slots__ = ("_broken", "_closed", "_readable", "_receiving", "_sending", "_socket", "_writable")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._readable = _Readiness(trio.lowlevel.wait_readable, sock.fileno())
        self._writable = _Readiness(trio.lowlevel.wait_writable, sock.fileno())
        self._closed = False
        self._broken = False
        self._receiving = False
        self._sending = False

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
        self._check_open()
        if self._receiving:
            raise trio.BusyResourceError("another task receives from this stream")
        self._receiving = True
        try:
            # Waiting before the first attempt is cheaper than being told to wait: between two requests there
            # is nothing to read. What OpenSSL has decrypted already would not wake us, hence pending().
            if self._socket.pending():
                await trio.lowlevel.checkpoint()
            else:
                await self._readable.wait()
            while True:
                self._check_open()
                try:
                    return self._socket.recv(max_bytes)
                except ssl.SSLWantReadError:
                    await self._readable.wait()
                except ssl.SSLWantWriteError:
                    await self._writable.wait()
                except OSError as error:
                    raise trio.BrokenResourceError(_cause(error)) from error
        finally:
            self._receiving = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with _Sending(self):
            await self._writable.wait()
            await self._send(data)

    async def send_now(self, data: bytes | bytearray | memoryview) -> None:
        """As `send_all`, but no checkpoint if the kernel takes all at once, as it does with most answers.

        For who has a checkpoint elsewhere in his loop; it saves one trip through the scheduler.
        """
        with _Sending(self):
            await self._send(data)

    async def _send(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data).cast("B") if type(data) is not bytes else data
        if not rest:
            return
        try:
            while True:
                self._check_open()
                try:
                    sent = self._socket.send(rest)
                except ssl.SSLWantWriteError:
                    await self._writable.wait()
                except ssl.SSLWantReadError:
                    await self._readable.wait()
                except OSError as error:
                    raise trio.BrokenResourceError(_cause(error)) from error
                else:
                    if sent == len(rest):
                        return
                    rest = memoryview(rest)[sent:]
        except BaseException:
            # OpenSSL holds the record that it could not send, and would send it before any other data.
            self._broken = True
            raise

    async def wait_send_all_might_not_block(self) -> None:
        with _Sending(self):
            await self._writable.wait()

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

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this stream is closed")


class _Sending:
    """At most one task in the send direction of a stream that can still send."""

    __slots__ = ("_stream",)

    def __init__(self, stream: TLSStream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        stream = self._stream
        stream._check_open()
        if stream._sending:
            raise trio.BusyResourceError("another task sends to this stream")
        if stream._broken:
            raise trio.BrokenResourceError("an earlier send did not finish")
        stream._sending = True

    def __exit__(self, *exception: object) -> None:
        self._stream._sending = False


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
        raise HandshakeFailed(_cause(error)) from error
    stream = TLSStream(wrapped)
    try:
        with trio.move_on_at(deadline):
            await stream.do_handshake()
            return _secured(stream, wrapped)
        raise HandshakeFailed(_TOO_LATE)
    except OSError as error:
        await stream.aclose_lingering(_FAREWELL)
        raise HandshakeFailed(_cause(error)) from error
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
        raise HandshakeFailed(_cause(error.__cause__ or error)) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


_Accept = Callable[[socket.socket, ssl.SSLContext, float], Awaitable[Secured]]
_ACCEPT: dict[StreamKind, _Accept] = {"sslsocket": _accept_sslsocket, "trio": _accept_trio}


def _secured(stream: trio.abc.Stream, tls: Any) -> Secured:
    certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        raise HandshakeFailed("the context does not require a client certificate")
    return Secured(stream, certificate, tls.version(), tls.cipher()[0])


def _cause(error: BaseException) -> str:
    """What went wrong, in words without source positions of the library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
