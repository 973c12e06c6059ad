"""The client for Trio."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

import trio

from kmsd.client.connection import DRY_RUN, BaseClient, Conversation, Outcome, check_tried
from kmsd.client.errors import ConnectionFailed, ConnectionLost
from protocol.enums import BatchErrorContinuationOption
from protocol.errors import ProtocolError
from protocol.framing import FrameBuffer
from protocol.versions import ProtocolVersion

T = TypeVar("T")


class Client(BaseClient):
    """`async with Client(host, port, certificate=..., private_key=..., ca=...) as client: await client.get(uid)`.

    One connection, one request at a time: tasks that share a client take turns. Deadlines are cancel scopes; a
    request that is cancelled costs the connection, and may have been carried out. The next request connects again.
    A request whose connection is lost is sent again only if all it does is read.
    """

    _stream: trio.SSLStream[trio.SocketStream] | None = None

    async def __aenter__(self) -> Self:
        async with self._turn:
            if self._stream is None:
                self._stream = await self._open()
            await self._agree()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; another request would open a new one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    async def call(self, payload: Any) -> Any:
        """The response payload to any request payload. Raises KmipError, ConnectionFailed."""
        [outcome] = await self.batch([payload])
        return outcome.payload

    async def dry_run(self, payload: Any) -> None:
        """Have kmsd try a request that uses a key, and keep nothing of it. Raises KmipError where it would fail."""
        async with self._turn:
            version = await self._agree()
            conversation = self._exchange([payload], version, extensions=(DRY_RUN,))
            [outcome] = await self._converse(conversation, repeatable=True)
        check_tried(outcome)

    async def batch(
        self, payloads: Sequence[Any], on_error: BatchErrorContinuationOption | None = None
    ) -> tuple[Outcome, ...]:
        """Several requests in one message; what the server did not come to has no outcome.

        Raises ConnectionFailed, KmipError where the whole message is refused (each outcome has its own), and
        ProtocolError, before anything is sent, for what the version has no words for.
        """
        async with self._turn:
            version = await self._agree()
            return await self._converse(self._exchange(payloads, version, on_error), self._repeatable(payloads))

    @cached_property
    def _turn(self) -> trio.Lock:
        return trio.Lock()

    async def _agree(self) -> ProtocolVersion:
        if self.version is None:
            self.version = await self._converse(self._negotiate(), repeatable=True)
        return self.version

    async def _converse(self, conversation: Conversation[T], repeatable: bool) -> T:
        frame = next(conversation)
        while True:
            answer = await self._round_trip(frame, repeatable)
            try:
                frame = conversation.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            except BaseException:
                # The server refused the whole message, or did not make sense; what follows may not either.
                await self._drop()
                raise

    async def _round_trip(self, frame: bytes, repeatable: bool) -> bytes:
        if self._stream is not None:
            try:
                return await self._transfer(self._stream, frame)
            except ConnectionLost:
                if not repeatable:
                    raise
        self._stream = await self._open()
        return await self._transfer(self._stream, frame)

    async def _open(self) -> trio.SSLStream[trio.SocketStream]:
        try:
            plain = await trio.open_tcp_stream(self.host, self.port)
        except OSError as error:
            raise self._unreachable(error) from error
        stream = trio.SSLStream(plain, self._tls, server_hostname=self.host, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException as error:
            await trio.aclose_forcefully(stream)
            if isinstance(error, trio.BrokenResourceError):
                raise self._unreachable(error.__cause__ or error) from error
            raise
        return stream

    async def _transfer(self, stream: trio.SSLStream[trio.SocketStream], frame: bytes) -> bytes:
        frames = FrameBuffer(self._largest)
        try:
            await stream.send_all(frame)
            while (answer := frames.next_frame()) is None:
                data = await stream.receive_some()
                if not data:
                    raise self._closed(frames.partial)
                frames.receive_data(bytes(data))
        except BaseException as error:
            await self._drop()
            if isinstance(error, trio.BrokenResourceError):
                raise self._closed(frames.partial, error.__cause__) from error
            if isinstance(error, ProtocolError):
                raise ConnectionFailed(f"the answer cannot be read: {error}") from error
            raise
        return answer

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)
