"""What ./run starts, started as ./run does it: set up, serve, stop, and once more on what is there."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

KMSD = [sys.executable, "-c", "from kmsd.cli import main; main()"]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    assert isinstance(number, int)
    return number


def serve_once(directory: Path, port: int) -> None:
    """Set up, wait for the ready line, shake hands as acme-app, stop by SIGTERM."""
    subprocess.run([*KMSD, "dev", "--directory", directory, "--port", str(port)], check=True, capture_output=True)
    command = [*KMSD, "serve", "--config", directory / "kmsd.yaml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
        try:
            assert daemon.stdout is not None
            assert "kmsd ready\n" in daemon.stdout
            context = ssl.create_default_context(cafile=directory / "ca.pem")
            context.load_cert_chain(directory / "acme-app.pem", directory / "acme-app.key")
            with (
                socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as secured,
            ):
                assert secured.version() in ("TLSv1.2", "TLSv1.3")
            daemon.send_signal(signal.SIGTERM)
            # The daemon may still log: what is not read would block it.
            daemon.communicate(timeout=30)
        finally:
            daemon.kill()
    assert daemon.returncode == 0


def test_it_starts_serves_and_stops_and_does_so_again(tmp_path: Path, port: int) -> None:
    directory = tmp_path / "dev"
    serve_once(directory, port)
    kept = {path: path.read_bytes() for path in directory.glob("*.pem")}
    serve_once(directory, port)
    assert {path: path.read_bytes() for path in directory.glob("*.pem")} == kept
