"""Both clients under one driver, and servers that a test writes itself, for what a good server does not do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from kmsd.client import Client, SyncClient
from protocol.framing import FrameBuffer
from protocol.message import (
    RequestMessage,
    ResponseBatchItem,
    ResponseHeader,
    ResponseMessage,
    decode_request,
    encode_response,
)
from protocol.versions import ProtocolVersion
from tests.daemon import Daemon

AnyClient = Client | SyncClient


class Driver:
    """A client of either kind, awaited."""

    def __init__(self, client: AnyClient) -> None:
        self.client = client

    async def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        call = getattr(self.client, method)
        if isinstance(self.client, Client):
            return await call(*args, **kwargs)
        return await trio.to_thread.run_sync(partial(call, *args, **kwargs))

    async def connect(self) -> None:
        await self("__aenter__" if isinstance(self.client, Client) else "__enter__")

    async def close(self) -> None:
        await self("aclose" if isinstance(self.client, Client) else "close")


Drive = Callable[..., Driver]


@pytest.fixture(params=[Client, SyncClient], ids=["trio", "sync"])
async def drive(request: pytest.FixtureRequest) -> AsyncIterator[Drive]:
    """Makes a client of one kind, which is closed in the end."""
    drivers: list[Driver] = []

    def make(*args: Any, **kwargs: Any) -> Driver:
        drivers.append(Driver(request.param(*args, **kwargs)))
        return drivers[-1]

    yield make
    for driver in drivers:
        await driver.close()


def of(daemon: Daemon, name: str = "acme-app") -> dict[str, Any]:
    """A client's arguments for a daemon."""
    return {
        "host": daemon.host,
        "port": daemon.port,
        "certificate": daemon.certificate(name),
        "private_key": daemon.key(name),
        "ca": daemon.ca,
    }


# ---- servers of the tests' own ----------------------------------------------------------------------------------
Reply = bytes | None
"""Bytes to send as they are; None closes the connection."""


def answer(version: ProtocolVersion, *items: ResponseBatchItem) -> bytes:
    header = ResponseHeader(protocol_version=version, time_stamp=0, batch_count=len(items))
    return encode_response(ResponseMessage(header, items))


@dataclass
class Authority:
    """Certificates of a server on 127.0.0.1 and of a client, of a test's own authority."""

    server: ssl.SSLContext
    client: dict[str, Any]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    directory = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    leaf = ca.issue_cert("client.test")
    paths: dict[str, Path] = {name: directory / f"{name}.pem" for name in ("certificate", "private_key", "ca")}
    leaf.cert_chain_pems[0].write_to_path(paths["certificate"])
    leaf.private_key_pem.write_to_path(paths["private_key"])
    ca.cert_pem.write_to_path(paths["ca"])
    return Authority(context, dict(paths))


@dataclass
class Scripted:
    """A server that answers with what `reply` says; `requests` is what it got, over `connections` connections."""

    reply: Callable[[RequestMessage], Reply] | Callable[[RequestMessage], Awaitable[Reply]]
    requests: list[RequestMessage] = field(default_factory=list)
    connections: int = 0
    client: dict[str, Any] = field(default_factory=dict)

    async def handle(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self.connections += 1
        frames = FrameBuffer(1 << 20)
        try:
            while data := await stream.receive_some():
                frames.receive_data(bytes(data))
                while (frame := frames.next_frame()) is not None:
                    self.requests.append(decode_request(frame))
                    reply = self.reply(self.requests[-1])
                    if isinstance(reply, Awaitable):
                        reply = await reply
                    if reply is None:
                        return
                    await stream.send_all(reply)
        except trio.BrokenResourceError:
            return  # the client has had enough, as it should in some tests
        finally:
            await trio.aclose_forcefully(stream)


@pytest.fixture
def scripted(authority: Authority) -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(reply: Any) -> AsyncIterator[Scripted]:
        server = Scripted(reply)
        serving = partial(trio.serve_ssl_over_tcp, server.handle, 0, authority.server, host="127.0.0.1")
        async with trio.open_nursery() as inner:
            [listener] = await inner.start(serving)
            port = listener.transport_listener.socket.getsockname()[1]
            server.client = {"host": "127.0.0.1", "port": port, **authority.client}
            yield server
            inner.cancel_scope.cancel()

    return serve
