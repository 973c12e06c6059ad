"""A client's listener: TLS, one answer to each message of the server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from kmsd.cli.dev import write
from kmsd.cli.dev_certificates import Authority
from protocol.enums import ResultStatus
from protocol.framing import FrameBuffer
from protocol.message import (
    RequestBatchItem,
    ResponseBatchItem,
    ResponseHeader,
    ResponseMessage,
    decode_request,
    encode_response,
)


@dataclass(slots=True)
class Listener:
    """What has come, and how it is answered."""

    directory: Path
    port: int = 0
    frames: list[bytes] = field(default_factory=list)
    status: ResultStatus = ResultStatus.SUCCESS
    hang_up: int = 0
    """How many connections end before an answer."""
    arrived: trio.Event = field(default_factory=trio.Event)

    async def items(self, number: int) -> list[RequestBatchItem]:
        """The first items, once so many have come."""
        while len(self.frames) < number:
            self.arrived = trio.Event()
            await self.arrived.wait()
        return [decode_request(frame).batch_items[0] for frame in self.frames]

    async def serve(self, stream: trio.SocketStream) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.directory / "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.directory / "listener.pem", self.directory / "listener.key")
        tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        frames = FrameBuffer(1 << 20)
        try:
            async for data in tls:
                frames.receive_data(bytes(data))
                while (frame := frames.next_frame()) is not None:
                    if self.hang_up:
                        self.hang_up -= 1
                        return
                    self.frames.append(frame)
                    self.arrived.set()
                    await tls.send_all(self._answer(frame))
        except trio.BrokenResourceError:
            return  # the server has gone, or does not trust us
        finally:
            await trio.aclose_forcefully(tls)

    def _answer(self, frame: bytes) -> bytes:
        message = decode_request(frame)
        item = ResponseBatchItem(operation=message.batch_items[0].operation, result_status=self.status)
        version = message.header.protocol_version
        header = ResponseHeader(protocol_version=version, time_stamp=0, batch_count=1)
        return encode_response(ResponseMessage(header=header, batch_items=(item,)))


@asynccontextmanager
async def listening(directory: Path) -> AsyncIterator[Listener]:
    authority = Authority(directory, write)
    authority.server("listener", ["localhost"], ["127.0.0.1"])
    authority.client("notices")
    listener = Listener(directory)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, listener.serve, 0, host="127.0.0.1")
        [socket] = await nursery.start(serve)
        listener.port = socket.socket.getsockname()[1]
        yield listener
        nursery.cancel_scope.cancel()
