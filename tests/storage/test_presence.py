"""Whether a process is the only one that serves a store: until it says so itself, and for no longer than it lives."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from kmsd.storage import presence
from kmsd.storage.presence import Presence
from kmsd.storage.store import Store

HOLD = """
import sys
from pathlib import Path
from kmsd.storage.presence import Presence
held = Presence(Path(sys.argv[1]))
print(held.alone, flush=True)
held.settle()
sys.stdin.read()
"""


def test_the_first_is_alone_and_the_next_are_not(tmp_path: Path) -> None:
    with closing(Presence(tmp_path / "presence")) as first:
        assert first.alone
        first.settle()
        assert not first.alone
        with closing(Presence(tmp_path / "presence")) as second:
            assert not second.alone
            second.settle()
    with closing(Presence(tmp_path / "presence")) as third:
        assert third.alone


def test_who_comes_while_another_is_alone_waits(tmp_path: Path) -> None:
    arrived: list[Presence] = []
    with closing(Presence(tmp_path / "presence")) as first:
        waiting = threading.Thread(target=lambda: arrived.append(Presence(tmp_path / "presence")))
        waiting.start()
        waiting.join(0.1)
        assert not arrived
        first.settle()
        waiting.join(5)
        [second] = arrived
        assert not second.alone
        second.close()


def test_who_waits_for_long_says_so_once_and_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token with many keys is looked through for longer than a store is ever held."""
    monkeypatch.setattr(presence, "PATIENCE", 0.05)
    arrived: list[Presence] = []
    with structlog.testing.capture_logs() as logged, closing(Presence(tmp_path / "presence")) as first:
        waiting = threading.Thread(target=lambda: arrived.append(Presence(tmp_path / "presence")))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert [line["log_level"] for line in logged] == ["warning"]
        assert logged[0]["path"] == str(tmp_path / "presence")
        first.settle()
        waiting.join(5)
        [second] = arrived
        assert not second.alone
        second.close()
    assert len(logged) == 1


def test_the_dead_are_not_present(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kmsd.db") as store:
        command = [sys.executable, "-c", HOLD, str(tmp_path / "kmsd.db-presence")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "True\n"
            with closing(store.presence()) as beside:
                assert not beside.alone
            other.send_signal(signal.SIGKILL)
        with closing(store.presence()) as after:
            assert after.alone
