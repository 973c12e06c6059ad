"""A closed-loop load over TLS: prepared requests on a few connections, the status of each answer looked at.

One thread on one processor waits for all connections with epoll and talks to their `ssl.SSLSocket`s directly: some
15 µs a request, several times faster than any server it is used on. `python -m tests.bench.load` serves the plainest
echo that Python can write, in the same way; what the load reaches against that is its ceiling.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RECEIVE = 65536
PATIENCE = 120
"""Seconds for one answer; PyKMIP takes ten for a Locate among 10,000 objects."""

SUCCESS = bytes.fromhex("42007f 05 00000004 00000000")
"""Result Status, Enumeration, Success."""


class WrongAnswerError(Exception):
    """A server did not do what was measured."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and what its answers must contain; an echo's just come back."""

    port: int
    context: ssl.SSLContext
    answer: bytes = SUCCESS


@dataclass(slots=True)
class Result:
    """One turn; latencies in seconds, in order of size."""

    elapsed: float
    latencies: list[float] = field(repr=False)
    answers: list[bytes] = field(repr=False)
    client_time: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.elapsed

    def percentile(self, share: float) -> float:
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def client_context(directory: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(directory / "ca.pem")
    context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
    return context


def connect(server: Server, number: int) -> list[ssl.SSLSocket]:
    sockets = []
    for _ in range(number):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(server.context.wrap_socket(raw, server_hostname="localhost"))
    for sock in sockets:
        sock.setblocking(False)
    return sockets


def run(
    server: Server,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float = float("inf"),
    keep: bool = False,
) -> Result:
    """Each connection sends the next request once its last is answered, until the time or the requests are over.

    The connections are new ones. `keep` returns the answers too. Raises WrongAnswerError.
    """
    sockets = connect(server, connections)
    try:
        return _run(server, sockets, requests, seconds, keep)
    finally:
        for sock in sockets:
            sock.close()


def _run(server: Server, sockets: list[ssl.SSLSocket], requests: Iterator[bytes], seconds: float, keep: bool) -> Result:
    clock = time.perf_counter
    selector = selectors.EpollSelector()
    by_descriptor = {sock.fileno(): sock for sock in sockets}
    answers: list[bytes] = []
    latencies: list[float] = []
    sent: dict[ssl.SSLSocket, float] = {}
    parts: dict[ssl.SSLSocket, bytes] = {}
    processor = time.process_time()
    start = clock()
    end = start + seconds
    for sock in sockets:
        selector.register(sock, selectors.EVENT_READ)
        request = next(requests, None)
        if request is not None:
            sent[sock] = clock()
            sock.send(request)
    while sent:
        ready = selector.select(PATIENCE)
        if not ready:
            raise WrongAnswerError(f"no answer in {PATIENCE} seconds")
        for key, _ in ready:
            sock = by_descriptor[key.fd]
            try:
                data = sock.recv(RECEIVE)
            except ssl.SSLWantReadError:
                continue
            if not data:
                raise WrongAnswerError("the server closed a connection")
            if sock in parts:
                data = parts.pop(sock) + data
            # Tag, type, length: the first eight bytes of a KMIP message say how long it is.
            if len(data) < 8 or len(data) < 8 + int.from_bytes(data[4:8], "big"):
                parts[sock] = data
                continue
            now = clock()
            latencies.append(now - sent.pop(sock))
            if server.answer not in data:
                raise WrongAnswerError(data.hex())
            if keep:
                answers.append(data)
            # After the end the answers under way are still taken, so that the next turn starts clean.
            request = next(requests, None) if now < end else None
            if request is not None:
                sent[sock] = clock()
                sock.send(request)
    elapsed = clock() - start
    selector.close()
    latencies.sort()
    return Result(elapsed, latencies, answers, time.process_time() - processor)


def serve_echo(directory: Path) -> None:
    """Echo for ever, at a free port that is the first line of standard output."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.load_verify_locations(directory / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    selector = selectors.EpollSelector()
    selector.register(listener, selectors.EVENT_READ)
    by_descriptor: dict[int, ssl.SSLSocket] = {}
    print(listener.getsockname()[1], flush=True)
    while True:
        for key, _ in selector.select():
            sock = by_descriptor.get(key.fd)
            if sock is None:
                sock = context.wrap_socket(listener.accept()[0], server_side=True)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                by_descriptor[sock.fileno()] = sock
                selector.register(sock, selectors.EVENT_READ)
                continue
            try:
                data = sock.recv(RECEIVE)
            except ssl.SSLWantReadError:
                continue
            except ConnectionResetError:
                data = b""
            if data:
                sock.send(data)
            else:
                del by_descriptor[key.fd]
                selector.unregister(sock)
                sock.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=serve_echo.__doc__)
    parser.add_argument("directory", type=Path)
    serve_echo(parser.parse_args().directory)
