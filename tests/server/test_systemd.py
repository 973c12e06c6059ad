from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmsd.server import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@kmsd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        sock.settimeout(5)
        yield sock, name


def test_the_manager_hears_ready_reloading_and_stopping(manager: tuple[socket.socket, str]) -> None:
    sock, name = manager
    environment = {"NOTIFY_SOCKET": name}
    assert systemd.notify_ready("serving", environment=environment)
    assert sock.recv(4096) == b"READY=1\nSTATUS=serving"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert systemd.notify_reloading(environment=environment)
    reloading, stamp = sock.recv(4096).decode().split("\n")
    assert reloading == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= before + 60_000_000
    assert systemd.notify_ready(environment=environment)
    assert sock.recv(4096) == b"READY=1"
    assert systemd.notify_stopping(environment=environment)
    assert sock.recv(4096) == b"STOPPING=1"


def test_without_a_manager_nothing_is_sent() -> None:
    assert not systemd.notify_ready(environment={})


def test_a_manager_that_has_gone_is_logged_and_does_not_stop_the_daemon(
    tmp_path: Path, log: list[dict[str, object]]
) -> None:
    assert not systemd.notify_ready(environment={"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert [entry["event"] for entry in log] == ["service manager not notified"]


CHILD = """
import json, os
from kmsd.server import systemd
try:
    found = systemd.passed_listeners()
except ValueError as error:
    print(json.dumps({"error": str(error)}))
else:
    connection = None
    if found:
        found[0].socket.setblocking(True)
        connection, _ = found[0].socket.accept()
        connection.sendall(b"hello from the child")
    print(json.dumps({
        "names": [each.name for each in found],
        "ports": [each.socket.getsockname()[1] for each in found],
        "inheritable": [each.socket.get_inheritable() for each in found],
        "left": [name for name in os.environ if name.startswith("LISTEN_")],
        "again": len(systemd.passed_listeners()),
    }))
"""


LAUNCHER = """
import os, sys
python, child, process, *numbers = sys.argv[1:]
for target, number in enumerate(numbers, 3):
    os.dup2(int(number), target)
os.environ["LISTEN_PID"] = process or str(os.getpid())
os.execv(python, [python, "-c", child])
"""


def start(
    sockets: list[socket.socket], names: str | None, process: str = "", count: str | None = None
) -> subprocess.Popen[str]:
    """A child that starts as under systemd: sockets from descriptor 3 on, LISTEN_PID its own process."""
    environment = {**os.environ, "LISTEN_FDS": count or str(len(sockets))}
    if names is not None:
        environment["LISTEN_FDNAMES"] = names
    # Out of the way of the targets.
    moved = [fcntl.fcntl(sock, fcntl.F_DUPFD, 60) for sock in sockets]
    try:
        return subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, sys.executable, CHILD, process, *map(str, moved)],
            pass_fds=moved,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(systemd.__file__).parents[2],
        )
    finally:
        for number in moved:
            os.close(number)


def outcome(child: subprocess.Popen[str]) -> dict[str, object]:
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    result: dict[str, object] = json.loads(out)
    return result


def test_inherited_listeners_accept_and_their_names_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        child = start([one, two], "kmip:admin")
        with socket.create_connection(one.getsockname(), timeout=30) as client:
            assert client.recv(100) == b"hello from the child"
        assert outcome(child) == {
            "names": ["kmip", "admin"],
            "ports": [one.getsockname()[1], two.getsockname()[1]],
            "inheritable": [False, False],
            "left": [],
            "again": 0,
        }


def test_listeners_of_another_process_are_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        result = outcome(start([sock], None, process="1"))
    assert result["names"] == []
    assert result["left"] == []


@pytest.mark.parametrize(
    ("names", "count", "message"),
    [
        ("a:b", None, "LISTEN_FDNAMES='a:b': expected 1 names"),
        (None, "many", "LISTEN_FDS='many'"),
    ],
)
def test_malformed_variables_are_refused(names: str | None, count: str | None, message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert message in str(outcome(start([sock], names, count=count))["error"])


def test_a_socket_that_does_not_listen_is_refused() -> None:
    with socket.socket() as sock:
        assert outcome(start([sock], None))["error"] == "file descriptor 3 is no listening TCP socket"


def test_a_datagram_socket_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert outcome(start([sock], None))["error"] == "file descriptor 3 is no listening TCP socket"
