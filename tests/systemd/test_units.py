from __future__ import annotations

import re
import shlex
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from kmsd.client import SyncClient
from tests.daemon import HOST, KMSD, free_port, set_up

UNITS = Path(__file__).parents[2] / "systemd"

PLACE = "/opt/kmsd/bin"
DEADLINE = 60


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"no {tool} on this machine")


@needs("systemd-analyze")
def test_systemd_finds_nothing_to_say_about_the_units_also_where_kmsd_is_not_installed() -> None:
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "kmsd.service", "kmsd.socket"],
        cwd=UNITS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs("systemd-analyze")
def test_the_service_is_exposed_little() -> None:
    """At most 2.0 on systemd's scale from 0 (closed) to 10; the network, which it serves, is most of it."""
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(UNITS / "kmsd.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def setting(name: str) -> str:
    """The one value that the service has for it."""
    [value] = re.findall(rf"^{name}=(.*)$", (UNITS / "kmsd.service").read_text(), re.MULTILINE)
    return str(value)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The PATH of the service, with another place of installation, as a drop-in would have it."""
    program = tmp_path / "bin" / "kmsd"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(KMSD)} "$@"\n')
    program.chmod(0o755)
    variable, _, value = setting("Environment").partition("=")
    assert (variable, value.split(":")[0]) == ("PATH", PLACE)
    return value.replace(PLACE, str(program.parent))


def command(name: str, directory: Path) -> list[str]:
    """A command of the service, for this configuration."""
    return [part.replace("/etc/kmsd", str(directory)) for part in shlex.split(setting(name))]


@needs("systemd-socket-activate")
def test_the_commands_of_the_service_serve_the_passed_socket_notify_as_its_process_and_reload(
    tmp_path: Path, path: str
) -> None:
    port = free_port()
    directory = tmp_path / "dev"
    set_up(directory, free_port(), hsm=False)
    start = ["systemd-socket-activate", f"--listen={HOST}:{port}", "--fdname=kmip", "-E", "PATH", "-E", "NOTIFY_SOCKET"]
    environment = {"PATH": path, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.bind(environment["NOTIFY_SOCKET"])
        manager.settimeout(DEADLINE)
        with (directory / "daemon.log").open("wb") as log:
            service = subprocess.Popen(
                [*start, *command("ExecStart", directory)], env=environment, stdout=subprocess.DEVNULL, stderr=log
            )
        with service:
            try:
                first = connected(port)
                message, [(_, kind, credentials)], _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(_UCRED.size))
                # NotifyAccess=main takes it from the process that was started only.
                assert (message, kind) == (b"READY=1", socket.SCM_CREDENTIALS)
                assert _UCRED.unpack(credentials)[0] == service.pid
                first.close()
                client = SyncClient(
                    HOST,
                    port,
                    certificate=directory / "acme-app.pem",
                    private_key=directory / "acme-app.key",
                    ca=directory / "ca.pem",
                )
                with client:
                    assert client.create().unique_identifier
                reload = command("ExecReload", directory)
                done = subprocess.run(
                    reload, env={"PATH": path}, capture_output=True, text=True, timeout=DEADLINE, check=False
                )
                assert (done.returncode, done.stdout) == (0, "reloaded, changes: 0\n"), done.stderr
                service.terminate()
                assert service.wait(DEADLINE) == 0
            finally:
                service.kill()


_UCRED = struct.Struct("3i")
"""pid, uid, gid (unix(7))."""


def connected(port: int) -> socket.socket:
    """The connection that starts the service, once its socket listens."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=DEADLINE)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_credentials_of_the_unit_are_those_of_the_documented_configuration() -> None:
    unit = (UNITS / "kmsd.service").read_text()
    configuration = (UNITS.parent / "conf" / "kmsd.yaml").read_text()
    named = set(re.findall(r"^[^#\n]*\{credential: ([a-z-]+)\}", configuration, re.MULTILINE))
    assert set(re.findall(r"^LoadCredential=([a-z-]+):", unit, re.MULTILINE)) == named


def test_the_socket_is_the_port_of_the_documented_configuration() -> None:
    assert "ListenStream=5696\n" in (UNITS / "kmsd.socket").read_text()
    assert "port: 5696\n" in (UNITS.parent / "conf" / "kmsd.yaml").read_text()
