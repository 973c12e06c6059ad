"""Daemons to be mistreated, and what tells whether they bear it: their memory, and another client's requests."""

from __future__ import annotations

import json
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmsd.client import SyncClient
from tests.daemon import HOST, Daemon, free_port, serving, set_up

FRAME_SIZE = 1 << 16
TIMEOUT = 20.0
"""Seconds after which a daemon that neither answers nor closes has failed; generous, for busy machines."""

GROWTH = 160 << 20
"""Bytes by which an ill-treated daemon may grow: 1,000 connections of TLS with their buffers take some 60 MiB."""


@dataclass
class Victim:
    """A daemon, the port on which it speaks HTTPS, and how large it was before anything happened."""

    daemon: Daemon
    https_port: int
    context: ssl.SSLContext
    before: int = 0

    def __post_init__(self) -> None:
        self.before = self.memory()

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) << 10

    def check_memory(self) -> None:
        grown = self.memory() - self.before
        print(f"memory: {self.before >> 20} MiB before, {grown / (1 << 20):+.1f} MiB now")
        assert grown < GROWTH

    def plain(self, port: int | None = None) -> socket.socket:
        return socket.create_connection((HOST, port or self.daemon.port), TIMEOUT)

    def connect(self, port: int | None = None) -> ssl.SSLSocket:
        return self.context.wrap_socket(self.plain(port), server_hostname=HOST)

    def client(self, **more: Any) -> SyncClient:
        daemon = self.daemon
        return SyncClient(
            HOST, daemon.port, certificate=daemon.certificate(), private_key=daemon.key(), ca=daemon.ca, **more
        )


@contextmanager
def victim(directory: Path, **limits: object) -> Iterator[Victim]:
    port, https_port = free_port(), free_port()
    set_up(directory, port, hsm=False)
    path = directory / "kmsd.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["listeners"].append({"host": HOST, "port": https_port, "protocol": "https"})
    settings["limits"] = {"frame_size": "64KiB", **limits}
    path.write_text(json.dumps(settings))
    with serving(directory, port) as daemon:
        context = ssl.create_default_context(cafile=daemon.ca)
        context.load_cert_chain(daemon.certificate(), daemon.key())
        found = Victim(daemon, https_port, context)
        with found.client() as client:
            client.create()
        found.before = found.memory()
        yield found
        text = daemon.log.read_text()
        assert "Traceback" not in text, text[text.index("Traceback") - 200 :][:4000]


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """With short deadlines."""
    with victim(tmp_path_factory.mktemp("impatient") / "dev", message_timeout="2s", handshake_timeout="2s") as running:
        yield running


CONNECTIONS = 1000


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """With room for a thousand connections of one client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} open files only")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        with victim(
            tmp_path_factory.mktemp("roomy") / "dev",
            connections=CONNECTIONS + 20,
            connections_per_client=CONNECTIONS + 20,
            handshake_timeout="60s",
        ) as running:
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class Witness:
    """Another client, which minds its own business all the while."""

    latencies: list[float] = field(default_factory=list)
    failure: BaseException | None = None

    def run(self, client: SyncClient, stop: threading.Event) -> None:
        try:
            with client:
                uid = client.create().unique_identifier
                while not stop.is_set() or not self.latencies:
                    began = time.perf_counter()
                    client.get(uid)
                    self.latencies.append(time.perf_counter() - began)
                    stop.wait(0.005)
        except BaseException as error:
            self.failure = error


@contextmanager
def witness(served: Victim) -> Iterator[Witness]:
    """Another client whose every request is answered while the block runs; its latencies are printed."""
    other, stop = Witness(), threading.Event()
    thread = threading.Thread(target=other.run, args=(served.client(), stop))
    thread.start()
    try:
        yield other
    finally:
        stop.set()
        thread.join()
    if other.failure is not None:
        raise other.failure
    times = sorted(other.latencies)
    print(
        f"another client: {len(times)} requests, median {times[len(times) // 2] * 1e3:.1f} ms,"
        f" 99 % {times[len(times) * 99 // 100] * 1e3:.1f} ms, slowest {times[-1] * 1e3:.1f} ms"
    )


@pytest.fixture
def undisturbed(impatient: Victim) -> Iterator[Witness]:
    with witness(impatient) as other:
        yield other
    impatient.check_memory()


def read_to_end(sock: socket.socket) -> bytes:
    """All that the daemon sends until it closes; a reset counts as the end."""
    parts = []
    sock.settimeout(TIMEOUT)
    try:
        while part := sock.recv(1 << 16):
            parts.append(part)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
        pass
    finally:
        sock.close()
    return b"".join(parts)
