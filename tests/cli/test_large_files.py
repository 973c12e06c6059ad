"""Files that no request can carry, through `kmsd encrypt` and `kmsd decrypt`."""

from __future__ import annotations

import base64
import os
import pty
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kmsd.cli.segments import SEGMENT, Head
from tests.cli.conftest import Kmsd
from tests.daemon import KMSD

LARGE = os.urandom(1 << 20) * 2 + b"and a bit"
HEAD = 180
"""Bytes before the segments, as the format's description has it."""


def test_a_file_of_any_size_comes_back(each: Kmsd, tmp_path: Path) -> None:
    plain, sealed, back = (tmp_path / name for name in ("plain", "sealed", "back"))
    plain.write_bytes(LARGE)
    each.run("encrypt", each.key(), plain, "-o", sealed)
    assert sealed.stat().st_size == HEAD + len(LARGE) + 3 * 16
    each.run("decrypt", sealed, "-o", back)
    assert back.read_bytes() == LARGE
    assert stat.S_IMODE(back.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "plain", "sealed"]


def test_pipes_of_any_length_go_through(each: Kmsd) -> None:
    made = each.run("encrypt", each.key(), stdin=LARGE).stdout_bytes
    assert LARGE[:64] not in made
    assert each.run("decrypt", stdin=made).stdout_bytes == LARGE


def test_a_large_file_in_base64(app: Kmsd, tmp_path: Path) -> None:
    made = app.run("encrypt", app.key(), "--base64", stdin=LARGE).stdout_bytes
    assert made.isascii()
    assert made.endswith(b"\n")
    assert app.run("decrypt", stdin=made).stdout_bytes == LARGE
    assert app.run("decrypt", stdin=base64.encodebytes(base64.b64decode(made))).stdout_bytes == LARGE
    back = tmp_path / "back"
    assert "base64 is damaged" in app.run("decrypt", "-o", back, stdin=made[:-50] + b"*", code=2).stderr
    assert not back.exists()


def test_the_largest_of_one_request_is_still_the_servers(app: Kmsd) -> None:
    name = app.key()
    one = app.run("encrypt", name, stdin=bytes((1 << 20) - 4096)).stdout_bytes
    assert one[:5] == b"kmsd\x01"
    assert app.run("decrypt", stdin=one).stdout_bytes == bytes((1 << 20) - 4096)
    assert app.run("encrypt", name, stdin=bytes((1 << 20) - 4095)).stdout_bytes[:5] == b"kmsd\x02"


def test_what_is_short_goes_under_a_data_key_too_where_that_is_asked_for(app: Kmsd) -> None:
    """More than an RSA key encrypts by itself."""
    name = app.key("--algorithm", "RSA", "--length", 2048, "--usage", "Encrypt,Decrypt")
    made = app.run("encrypt", "--data-key", f"{name}-public", stdin=bytes(1000)).stdout_bytes
    assert app.run("decrypt", stdin=made).stdout_bytes == bytes(1000)


def test_the_key_decides_who_opens_a_large_file(app: Kmsd, audit: Kmsd, tmp_path: Path) -> None:
    name, back = app.key(), tmp_path / "back"
    assert "not permitted: Encrypt" in audit.refused("encrypt", name, "-o", back, stdin=LARGE)
    made = app.run("encrypt", name, stdin=LARGE).stdout_bytes
    assert "not permitted: Decrypt" in audit.refused("decrypt", "-o", back, stdin=made)
    app.run("key", "revoke", name)
    assert app.run("decrypt", stdin=made).stdout_bytes == LARGE
    app.run("key", "destroy", name, "--yes")
    assert "destroyed" in app.refused("decrypt", "-o", back, stdin=made)
    assert list(tmp_path.iterdir()) == []


def _swap(made: bytes) -> bytes:
    first, second = HEAD, HEAD + SEGMENT + 16
    third = second + SEGMENT + 16
    return made[:first] + made[second:third] + made[first:second] + made[third:]


DAMAGE = {
    "cut short": lambda made: made[: HEAD + SEGMENT + 16],
    "cut within a segment": lambda made: made[:-100],
    "reordered": _swap,
    "changed at its end": lambda made: made[:-1] + bytes([made[-1] ^ 1]),
    "longer": lambda made: made + b"!",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_leaves_no_output(app: Kmsd, tmp_path: Path, how: str) -> None:
    sealed, back = tmp_path / "sealed", tmp_path / "back"
    made = app.run("encrypt", app.key(), stdin=LARGE).stdout_bytes
    sealed.write_bytes(DAMAGE[how](made))
    assert "it was changed or cut short" in app.refused("decrypt", sealed, "-o", back)
    assert list(tmp_path.iterdir()) == [sealed]


def test_what_was_there_stays_where_nothing_comes_in_its_place(app: Kmsd, tmp_path: Path) -> None:
    back = tmp_path / "back"
    back.write_text("before")
    made = app.run("encrypt", app.key(), stdin=LARGE).stdout_bytes
    app.refused("decrypt", "-o", back, stdin=made[:-1])
    assert back.read_text() == "before"
    app.run("decrypt", "-o", back, stdin=made)
    assert back.read_bytes() == LARGE


def test_a_foreign_data_key_in_the_head_is_refused(app: Kmsd) -> None:
    name = app.key()
    made = app.run("encrypt", name, stdin=LARGE).stdout_bytes
    other = app.run("encrypt", name, stdin=bytes(32)).stdout_bytes
    head = Head.parse(made)
    forged = bytes(Head(head.segment, head.number, other, head.commitment)) + made[HEAD:]
    assert "its data key is not the one" in app.refused("decrypt", stdin=forged)


def test_json_does_not_hold_files(app: Kmsd, tmp_path: Path) -> None:
    name, sealed = app.key(), tmp_path / "sealed"
    assert "use --output" in app.run("encrypt", name, "--json", stdin=LARGE, code=2).stderr
    app.run("encrypt", name, "--json", "-o", sealed, stdin=LARGE)
    assert "use --output" in app.run("decrypt", sealed, "--json", code=2).stderr


def test_a_device_is_written_to_and_a_link_stays_one(app: Kmsd, tmp_path: Path) -> None:
    name, link, target = app.key(), tmp_path / "link", tmp_path / "target"
    app.run("encrypt", name, "-o", "/dev/null", stdin=LARGE)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    link.symlink_to(target)
    app.run("encrypt", name, "-o", link, stdin=LARGE)
    assert link.is_symlink()
    assert app.run("decrypt", target).stdout_bytes == LARGE


def test_where_nothing_can_be_written_is_said(app: Kmsd, tmp_path: Path) -> None:
    missing = tmp_path / "no" / "such"
    assert f"{missing}: No such file" in app.run("encrypt", app.key(), "-o", missing, stdin=LARGE, code=2).stderr
    assert "/dev/full: No space left" in app.run("encrypt", app.key(), "-o", "/dev/full", stdin=LARGE, code=2).stderr


def _command(app: Kmsd, *arguments: object) -> list[str]:
    connection = ["--server", app.daemon.address, "--client", str(app.daemon.client(app.client))]
    return [*KMSD, *map(str, arguments), *connection]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_file(app: Kmsd, tmp_path: Path, number: signal.Signals) -> None:
    command = _command(app, "encrypt", app.key(), "-o", tmp_path / "sealed")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(bytes(4 << 20))
        process.stdin.flush()
        while not list(tmp_path.iterdir()):
            assert process.poll() is None
        process.send_signal(number)
        errors = process.communicate()[1]
    assert process.returncode == (1 if number is signal.SIGINT else 128 + number)
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


MEASURE = """
import sys
from kmsd.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert stop.code == 0, stop.code
# Not ru_maxrss, which begins with what the parent had.
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(int(peak) // 1024)
"""


def test_memory_does_not_grow_with_the_file(app: Kmsd, tmp_path: Path) -> None:
    def mebibytes(*arguments: object) -> int:
        command = [sys.executable, "-c", MEASURE, *_command(app, *arguments)[len(KMSD) :]]
        return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    plain, sealed, back = (tmp_path / name for name in ("plain", "sealed", "back"))
    key = app.key()
    with plain.open("wb") as file:
        file.truncate(256 << 20)
    assert mebibytes("encrypt", key, plain, "-o", sealed) < 128
    assert mebibytes("decrypt", sealed, "-o", back) < 128
    assert back.stat().st_size == plain.stat().st_size
    for path in (plain, sealed, back):
        path.unlink()


def _watched(app: Kmsd, *arguments: object) -> bytes:
    """What a terminal as standard error shows."""
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        with os.fdopen(follower, "wb") as shown:
            process = subprocess.Popen(_command(app, *arguments), stdout=subprocess.DEVNULL, stderr=shown)
        seen = b""
        try:
            while part := terminal.read(4096):
                seen += part
        except OSError:
            pass  # EIO: the last of the other side is closed
        assert process.wait() == 0
    return seen


def test_a_bar_is_for_long_work_on_a_terminal(app: Kmsd, tmp_path: Path) -> None:
    long, short, sealed = tmp_path / "long", tmp_path / "short", tmp_path / "sealed"
    key = app.key()
    with long.open("wb") as file:
        file.truncate(96 << 20)
    short.write_bytes(LARGE)
    assert b"Encrypting" in _watched(app, "encrypt", key, long, "-o", sealed)
    assert b"Decrypting" in _watched(app, "decrypt", sealed)
    assert _watched(app, "encrypt", key, short, "-o", sealed) == b""
    done = subprocess.run(_command(app, "encrypt", key, long, "-o", sealed), capture_output=True, check=True)
    assert done.stderr == b""
    for path in (long, short, sealed):
        path.unlink()
