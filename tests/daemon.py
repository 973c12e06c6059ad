"""A real daemon for tests: a development directory and `kmsd serve` in a process of its own, on a free port.

`daemon` has whatever protection the machine offers (with SoftHSM: tenant bank too), `software_daemon` never has a
token, `hsm_daemon` is `daemon` and skips where there is none. Each lives as long as its test session, or as one
worker of it, and ends by SIGTERM with exit code 0. Tests share its store: name objects with `Daemon.fresh_name`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

KMSD = (sys.executable, "-c", "from kmsd.cli import main; main()")
HOST = "127.0.0.1"

STOP_TIME = 30
"""Seconds before a stop counts as failed; generous, for machines that do much else."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that serves, and where its things are."""

    host: str
    port: int
    directory: Path
    """The development directory: configuration, certificates, credentials, store, token."""
    hsm: bool
    """Whether there is a token, and with it tenant bank."""
    pid: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def log(self) -> Path:
        """What the daemon writes on standard error: JSON lines."""
        return self.directory / "daemon.log"

    def client(self, name: str = "acme-app") -> Path:
        """The path of a client without its suffix, as `kmsd key --client` takes it."""
        return self.directory / name

    def certificate(self, name: str = "acme-app") -> Path:
        return self.directory / f"{name}.pem"

    def key(self, name: str = "acme-app") -> Path:
        return self.directory / f"{name}.key"

    @staticmethod
    def fresh_name(prefix: str = "key") -> str:
        return f"{prefix}-{uuid.uuid4().hex[:12]}"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def set_up(directory: Path, port: int, *, hsm: bool) -> None:
    """Make a development directory as ./run does; without `hsm`, as on a machine that lacks SoftHSM."""
    # `kmsd dev` finds softhsm2-util by PATH only.
    environment = dict(os.environ) if hsm else {**os.environ, "PATH": ""}
    command = [*KMSD, "dev", "--directory", str(directory), "--port", str(port)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def serving(
    directory: Path, port: int, environment: Mapping[str, str] | None = None, configuration: str = "kmsd.yaml"
) -> Iterator[Daemon]:
    """Run `kmsd serve` on a directory that `set_up` made, from its ready line until SIGTERM has ended it well."""
    log = directory / "daemon.log"
    command = [*KMSD, "serve", "--config", str(directory / configuration)]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready == "kmsd ready\n", f"{ready!r} {log.read_text()[-4000:]}"
            hsm = (directory / "bank-app.pem").exists()
            yield Daemon(HOST, port, directory, hsm, process.pid)
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=STOP_TIME)
            assert rest == ""
        finally:
            process.kill()
    assert process.returncode == 0, f"exit code {process.returncode}: {log.read_text()[-4000:]}"


@contextmanager
def development_daemon(directory: Path, *, hsm: bool) -> Iterator[Daemon]:
    """A daemon on a development directory that is made for it."""
    port = free_port()
    set_up(directory, port, hsm=hsm)
    with serving(directory, port) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """With SOFTWARE and, where SoftHSM is installed, HSM keys."""
    with development_daemon(tmp_path_factory.mktemp("daemon") / "dev", hsm=True) as running:
        yield running


@pytest.fixture(scope="session")
def software_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """With SOFTWARE keys only."""
    with development_daemon(tmp_path_factory.mktemp("software-daemon") / "dev", hsm=False) as running:
        yield running


@pytest.fixture(scope="session")
def hsm_daemon(request: pytest.FixtureRequest) -> Daemon:
    """The daemon that has both tenants."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("no SoftHSM on this machine")
    running = request.getfixturevalue("daemon")
    assert isinstance(running, Daemon)
    return running
