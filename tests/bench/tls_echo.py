"""What the TLS stream costs: an echo through `trio.SSLStream` and one through `TLSStream`, side by side.

    python -m tests.bench.tls_echo [--connections 16] [--size 128] [--rounds 5] [--seconds 1.5]

Both servers are processes of their own and accept with the daemon's `accept_tls`; the load generator takes turns
between them, because the machine's speed changes from minute to minute. So only the ratios mean something: of
echoes per second, and of the servers' processor time per echo, which the load generator's own cost does not dilute.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import trio
import trustme

from kmsd.server.tls import StreamKind, TLSStream, accept_tls, make_context

REPOSITORY = Path(__file__).parents[2]
NAMES: dict[StreamKind, str] = {"trio": "trio.SSLStream", "sslsocket": "TLSStream"}


# --- the server's process -------------------------------------------------------------------------------------


async def serve(kind: StreamKind, directory: Path) -> None:
    context = make_context(directory / "server.pem", directory / "server.pem", [directory / "ca.pem"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)

    async def echo(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = (await accept_tls(sock, context, trio.current_time() + 30, stream=kind)).stream
        send = stream.send_now if isinstance(stream, TLSStream) else stream.send_all
        while data := await stream.receive_some():
            await send(data)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listener)
            sock, _ = listener.accept()
            sock.setblocking(False)
            nursery.start_soon(echo, sock)


# --- the load -------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """Of one turn: echoes per second, and microseconds of the server's processor time for each."""

    rate: float
    cost: float


class Target:
    """A server's process and the connections to it."""

    def __init__(self, kind: StreamKind, directory: Path, connections: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.tls_echo", "--serve", kind, "--directory", str(directory)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(directory / "ca.pem")
        context.load_cert_chain(directory / "client.pem")
        self.sockets = []
        for _ in range(connections):
            raw = socket.create_connection(("127.0.0.1", port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(context.wrap_socket(raw, server_hostname="localhost"))

    def run(self, message: bytes, seconds: float) -> Result:
        """Each connection sends `message` again as soon as it has come back."""
        selector = selectors.EpollSelector()
        by_descriptor = {sock.fileno(): sock for sock in self.sockets}
        missing = {}
        for sock in self.sockets:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
            sock.send(message)
            missing[sock] = len(message)
        echoes = 0
        before = self._processor_time()
        start = time.perf_counter()
        end = start + seconds
        while missing:
            # After the end the echoes under way are still taken, so that the next turn starts clean.
            going_on = time.perf_counter() < end
            for key, _ in selector.select(5):
                sock = by_descriptor[key.fd]
                try:
                    missing[sock] -= len(sock.recv(65536))
                except ssl.SSLWantReadError:
                    continue
                if missing[sock]:
                    continue
                echoes += 1
                if going_on:
                    sock.send(message)
                    missing[sock] = len(message)
                else:
                    del missing[sock]
                    selector.unregister(sock)
        elapsed = time.perf_counter() - start
        selector.close()
        return Result(echoes / elapsed, (self._processor_time() - before) / echoes * 1e6)

    def _processor_time(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def measure(connections: int, size: int, rounds: int, seconds: float) -> dict[StreamKind, list[Result]]:
    """Rounds of one turn each; the kinds alternate within a round."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ca = trustme.CA()
        ca.cert_pem.write_to_path(directory / "ca.pem")
        for identity in ("server", "client"):
            certificate = ca.issue_cert("localhost", key_type=trustme.KeyType.ECDSA)
            certificate.private_key_and_cert_chain_pem.write_to_path(directory / f"{identity}.pem")
        targets: dict[StreamKind, Target] = {}
        try:
            for kind in NAMES:
                targets[kind] = Target(kind, directory, connections)
            results: dict[StreamKind, list[Result]] = {kind: [] for kind in NAMES}
            for _ in range(rounds):
                for kind, target in targets.items():
                    results[kind].append(target.run(bytes(size), seconds))
            return results
        finally:
            for target in targets.values():
                target.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--serve", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        trio.run(serve, options.serve, options.directory)
        return
    results = measure(options.connections, options.size, options.rounds, options.seconds)
    print(f"{options.connections} connections, {options.size} bytes, {options.rounds} rounds, medians")
    for kind, name in NAMES.items():
        rate = statistics.median(result.rate for result in results[kind])
        cost = statistics.median(result.cost for result in results[kind])
        print(f"{name:15} {rate:9,.0f} echoes/s  {cost:6.1f} µs of the server's processor per echo")
    pairs = list(zip(results["trio"], results["sslsocket"], strict=True))
    rate = statistics.median(fast.rate / slow.rate for slow, fast in pairs)
    cost = statistics.median(slow.cost / fast.cost for slow, fast in pairs)
    print(f"TLSStream / trio.SSLStream: {rate:.2f} of the echoes, {cost:.2f} times cheaper")


if __name__ == "__main__":
    main()
