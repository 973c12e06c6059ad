"""The client for programs without an event loop."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from kmsd.client.connection import DRY_RUN, BaseClient, Conversation, Outcome, check_tried
from kmsd.client.errors import ConnectionFailed, ConnectionLost
from protocol.enums import BatchErrorContinuationOption
from protocol.errors import ProtocolError
from protocol.framing import FrameBuffer
from protocol.versions import ProtocolVersion

T = TypeVar("T")

_CHUNK: Final = 65536


class SyncClient(BaseClient):
    """`with SyncClient(host, port, certificate=..., private_key=..., ca=...) as client: client.get(uid)`.

    The same as Client, blocking; for one thread at a time. A request that takes longer than `timeout` costs the
    connection, and may have been carried out.
    """

    timeout: float = 30.0
    """Seconds for connecting, and for each request with its answer."""

    _socket: ssl.SSLSocket | None = None

    def __enter__(self) -> Self:
        if self._socket is None:
            self._socket = self._open()
        self._agree()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; another request would open a new one."""
        connected, self._socket = self._socket, None
        if connected is not None:
            connected.close()

    def call(self, payload: Any) -> Any:
        """The response payload to any request payload. Raises KmipError, ConnectionFailed."""
        [outcome] = self.batch([payload])
        return outcome.payload

    def dry_run(self, payload: Any) -> None:
        """Have kmsd try a request that uses a key, and keep nothing of it. Raises KmipError where it would fail."""
        conversation = self._exchange([payload], self._agree(), extensions=(DRY_RUN,))
        [outcome] = self._converse(conversation, repeatable=True)
        check_tried(outcome)

    def batch(
        self, payloads: Sequence[Any], on_error: BatchErrorContinuationOption | None = None
    ) -> tuple[Outcome, ...]:
        """Several requests in one message; what the server did not come to has no outcome.

        Raises ConnectionFailed, KmipError where the whole message is refused (each outcome has its own), and
        ProtocolError, before anything is sent, for what the version has no words for.
        """
        version = self._agree()
        return self._converse(self._exchange(payloads, version, on_error), self._repeatable(payloads))

    def _agree(self) -> ProtocolVersion:
        if self.version is None:
            self.version = self._converse(self._negotiate(), repeatable=True)
        return self.version

    def _converse(self, conversation: Conversation[T], repeatable: bool) -> T:
        frame = next(conversation)
        while True:
            answer = self._round_trip(frame, repeatable)
            try:
                frame = conversation.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            except BaseException:
                # The server refused the whole message, or did not make sense; what follows may not either.
                self.close()
                raise

    def _round_trip(self, frame: bytes, repeatable: bool) -> bytes:
        if self._socket is not None:
            try:
                return self._transfer(self._socket, frame)
            except ConnectionLost:
                if not repeatable:
                    raise
        self._socket = self._open()
        return self._transfer(self._socket, frame)

    def _open(self) -> ssl.SSLSocket:
        try:
            connected = self._connected()
            try:
                connected.do_handshake()
            except BaseException:
                connected.close()
                raise
        except OSError as error:
            raise self._unreachable(error) from error
        return connected

    def _connected(self) -> ssl.SSLSocket:
        """The first of the server's addresses that takes a connection. Raises OSError.

        Wrapped before it is connected: what CPython 3.11 wraps, and finds reset, it leaves open.
        """
        failed: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            plain = socket.socket(family, kind, protocol)
            plain.settimeout(self.timeout)
            wrapped = self._tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
            try:
                wrapped.connect(address)
                wrapped.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                wrapped.close()
                failed = error
            except BaseException:
                wrapped.close()
                raise
            else:
                return wrapped
        raise failed or OSError("the name has no address")

    def _transfer(self, connected: ssl.SSLSocket, frame: bytes) -> bytes:
        deadline = time.monotonic() + self.timeout
        frames = FrameBuffer(self._largest)
        try:
            connected.settimeout(self.timeout)
            connected.sendall(frame)
            while (answer := frames.next_frame()) is None:
                # An answer that comes in drops must not take for ever.
                connected.settimeout(max(deadline - time.monotonic(), 0.001))
                data = connected.recv(_CHUNK)
                if not data:
                    raise self._closed(frames.partial)
                frames.receive_data(data)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise ConnectionFailed(f"{self.address} did not answer in {self.timeout:g} seconds") from error
            if isinstance(error, OSError):
                raise self._closed(frames.partial, error) from error
            if isinstance(error, ProtocolError):
                raise ConnectionFailed(f"the answer cannot be read: {error}") from error
            raise
        return answer
