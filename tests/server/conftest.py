from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
import trio
import trustme

from kmsd.server.tls import StreamKind, TLSStream, make_context


@dataclass
class Pki:
    """An authority with the server's certificate and a client's, and another one with a client of its own."""

    directory: Path
    ca: trustme.CA = field(default_factory=trustme.CA)
    other_ca: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.server = self.ca.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.ECDSA)
        self.client = self.ca.issue_cert("alice@clients.test")
        self.stranger = self.other_ca.issue_cert("mallory@clients.test")
        self.ca_file = self.write("ca.pem", self.ca.cert_pem)

    def write(self, name: str, *blobs: trustme.Blob) -> Path:
        path = self.directory / name
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return path

    def files(self, name: str, certificate: trustme.LeafCert) -> tuple[Path, Path]:
        return (
            self.write(f"{name}.pem", *certificate.cert_chain_pems),
            self.write(f"{name}.key", certificate.private_key_pem),
        )

    def server_context(self, **options: object) -> ssl.SSLContext:
        return make_context(*self.files("server", self.server), [self.ca_file], **options)  # type: ignore[arg-type]

    def client_context(self, certificate: trustme.LeafCert | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        if certificate is not None:
            certificate.configure_cert(context)
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def log() -> AsyncIterator[list[dict[str, object]]]:
    """What the daemon logs during the test."""
    with structlog.testing.capture_logs() as entries:
        yield entries


STREAM_KINDS: list[StreamKind] = ["sslsocket", "trio"]
SocketPair = Callable[[], tuple[socket.socket, socket.socket]]


@pytest.fixture
def socket_pair() -> SocketPair:
    """Makes connected TCP sockets with small buffers: (client, server)."""

    def make() -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.socket()
            for sock in (listener, client):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        return client, server

    return make


Connect = Callable[..., object]


@pytest.fixture
def client_stream(pki: Pki) -> Callable[..., object]:
    """A client's TLSStream to an address, after its side of the handshake."""

    async def connect(address: tuple[str, int], certificate: trustme.LeafCert | None = pki.client) -> TLSStream:
        raw = trio.socket.socket()
        await raw.connect(address)
        sock = socket.socket(fileno=raw.detach())
        context = pki.client_context(certificate)
        stream = TLSStream(context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False))
        await stream.do_handshake()
        return stream

    return connect


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return request.param


@pytest.fixture(params=STREAM_KINDS)
def kind(request: pytest.FixtureRequest) -> StreamKind:
    return request.param
