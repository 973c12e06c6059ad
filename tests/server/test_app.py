"""The whole daemon in a process of its own: started, activated by socket, reloaded, refused, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from kmsd.client import KmipError, SyncClient
from kmsd.server.errors import PIN_REFUSED
from protocol.enums import ResultReason
from protocol.versions import V1_4
from tests.daemon import HOST, KMSD, Daemon, free_port, serving, set_up

DEADLINE = 20


def connect(daemon: Daemon, name: str = "acme-app", **more: Any) -> SyncClient:
    return SyncClient(
        daemon.host,
        daemon.port,
        certificate=daemon.certificate(name),
        private_key=daemon.key(name),
        ca=daemon.ca,
        **more,
    )


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "dev"
    set_up(path, free_port(), hsm=False)
    return path


def test_activated_by_socket_it_serves_on_the_passed_one_and_tells_the_manager(directory: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.create_server((HOST, 0)) as listener,
    ):
        manager.bind(str(directory / "notify"))
        manager.settimeout(DEADLINE)
        port = listener.getsockname()[1]
        # What systemd does between fork and exec: the socket as descriptor 3, LISTEN_PID the new process itself.
        shell = f'export LISTEN_PID=$$; exec 3<&{listener.fileno()}; exec "$@"'
        process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "kmsd", *KMSD, "serve", "--config", str(directory / "kmsd.yaml")],
            env={**os.environ, "LISTEN_FDS": "1", "NOTIFY_SOCKET": str(directory / "notify")},
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            try:
                assert manager.recv(4096).startswith(b"READY=1")
                with connect(Daemon(HOST, port, directory, False, process.pid)) as client:
                    assert client.discover_versions()
                process.send_signal(signal.SIGTERM)
                assert manager.recv(4096) == b"STOPPING=1"
                assert process.wait(DEADLINE) == 0
            finally:
                process.kill()


def test_a_hangup_serves_the_new_certificate_and_keeps_what_is_connected(directory: Path) -> None:
    port = free_port()
    set_up(directory, port, hsm=False)
    with serving(directory, port) as daemon, connect(daemon) as client:
        before = server_certificate(daemon)
        for file in ("server.pem", "server.key"):
            (directory / file).unlink()
        set_up(directory, port, hsm=False)
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: server_certificate(daemon) != before)
        assert client.discover_versions()
        (directory / "kmsd.yaml").write_text("nonsense: true\n")
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: "not reloaded" in daemon.log.read_text())
        with connect(daemon) as another:
            assert another.discover_versions()


def test_an_expired_server_certificate_is_said(directory: Path) -> None:
    key = load_pem_private_key((directory / "server.key").read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "expired")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)  # type: ignore[arg-type]
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2020, 1, 2, tzinfo=UTC)
    )
    certificate = builder.sign(key, SHA256())  # type: ignore[arg-type]
    (directory / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    port = int((directory / "kmsd.yaml").read_text().partition("port: ")[2].split()[0])
    with serving(directory, port) as daemon:
        assert "server certificate has expired" in daemon.log.read_text()
        assert "2020-01-02" in daemon.log.read_text()


def server_certificate(daemon: Daemon) -> bytes:
    context = ssl.create_default_context(cafile=daemon.ca)
    context.load_cert_chain(daemon.certificate(), daemon.key())
    with (
        socket.create_connection((daemon.host, daemon.port)) as raw,
        context.wrap_socket(raw, server_hostname=daemon.host) as tls,
    ):
        certificate = tls.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


@pytest.fixture
def with_password(directory: Path) -> Iterator[Daemon]:
    hashed = subprocess.run(
        [*KMSD, "hash-password"], input="right\n", capture_output=True, text=True, check=True
    ).stdout.strip()
    path = directory / "kmsd.yaml"
    text = path.read_text()
    old = "certificate: {common_name: acme-app}\n"
    assert old in text
    path.write_text(text.replace(old, f"{old}        password: '{hashed}'\n"))
    port = int(text.partition("port: ")[2].split()[0])
    with serving(directory, port) as daemon:
        yield daemon


def test_a_client_with_a_password_needs_both(with_password: Daemon) -> None:
    for username, password in (("acme-app", "wrong"), ("other", "right")):
        with (
            connect(with_password, version=V1_4, username=username, password=password) as client,
            pytest.raises(KmipError) as refused,
        ):
            client.create()
        assert refused.value.reason == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL
    with connect(with_password, version=V1_4) as client, pytest.raises(KmipError) as refused:
        client.create()
    assert refused.value.reason == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL
    with connect(with_password, version=V1_4, username="acme-app", password="right") as client:
        for _ in range(2):
            assert client.create()
    assert "right" not in with_password.log.read_text()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda d: (d / "kmsd.yaml").write_text("tenants: 3\n"), "kmsd.yaml:1: tenants"),
        (lambda d: (d / "credentials" / "root-key").unlink(), "root-key"),
        (lambda d: (d / "kmsd.db").write_bytes(b"no database" * 100), "kmsd does not start"),
        (lambda d: (d / "kmsd.db").mkdir(), "kmsd.db: unable to open database file"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_served(
    directory: Path, break_it: Callable[[Path], object], says: str
) -> None:
    break_it(directory)
    assert says in refused(directory)


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        set_up(tmp_path / "dev", port, hsm=False)
        last = refused(tmp_path / "dev").splitlines()[-1]
    assert last == f"kmsd does not start: [Errno 98] cannot listen on {HOST} port {port}: Address already in use"


@pytest.mark.skipif(shutil.which("softhsm2-util") is None, reason="no SoftHSM on this machine")
def test_a_refused_pin_has_an_exit_code_of_its_own_which_the_unit_does_not_restart(tmp_path: Path) -> None:
    set_up(tmp_path / "dev", free_port(), hsm=True)
    (tmp_path / "dev" / "credentials" / "hsm-pin").write_text("no pin of this token")
    assert "refused the PIN" in refused(tmp_path / "dev", PIN_REFUSED)
    unit = (Path(__file__).parents[2] / "systemd" / "kmsd.service").read_text()
    assert f"\nRestartPreventExitStatus={PIN_REFUSED}\n" in unit


def refused(directory: Path, code: int = 1) -> str:
    """What a daemon that does not start says on standard error."""
    done = subprocess.run(
        [*KMSD, "serve", "--config", str(directory / "kmsd.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "kmsd ready" not in done.stdout
    return done.stderr
