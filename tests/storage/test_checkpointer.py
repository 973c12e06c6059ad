"""Checkpoints beside the commits."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio

from kmsd.storage import UnitOfWork
from kmsd.storage.checkpointer import Checkpointer
from tests.storage.denied import SETPRIORITY
from tests.storage.samples import record
from tests.storage.test_store import running


async def _store(path: Path) -> Path:
    async with running(path) as store:
        await store.commit(UnitOfWork([record() for _ in range(200)]))
    return path


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "checkpoints"]


async def test_a_checkpoint_beside_brings_the_log_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    async with running(path) as store:
        before = path.stat().st_size
        await store.commit(UnitOfWork([record() for _ in range(500)]))
        assert path.stat().st_size == before
        assert await store._checkpointer.checkpoint_beside() > 0
        assert path.stat().st_size > before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
async def test_its_thread_gives_way_to_all_others_and_ends_with_it(tmp_path: Path) -> None:
    checkpointer = Checkpointer(await _store(tmp_path / "kmsd.db"))
    try:
        assert not _threads()
        await checkpointer.checkpoint_beside()
        await checkpointer.checkpoint_beside()
        (thread,) = _threads()
        assert thread.native_id is not None
        mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id) == 10 >= mine
    finally:
        checkpointer.close()
    assert not _threads()


async def test_what_nobody_expects_reaches_who_asked_and_the_next_is_served(tmp_path: Path) -> None:
    checkpointer = Checkpointer(await _store(tmp_path / "kmsd.db"))
    connection = checkpointer._connection
    checkpointer._connection = sqlite3.connect(":memory:", check_same_thread=False)
    checkpointer._connection.close()
    with pytest.raises(sqlite3.ProgrammingError):
        await checkpointer.checkpoint_beside()
    checkpointer._connection = connection
    assert await checkpointer.checkpoint_beside() >= 0
    checkpointer.close()


async def test_who_is_cancelled_waits_for_the_end_of_it(tmp_path: Path) -> None:
    checkpointer = Checkpointer(await _store(tmp_path / "kmsd.db"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await checkpointer.checkpoint_beside()
    assert scope.cancelled_caught
    checkpointer.close()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in SETPRIORITY, reason="the filter is written for Linux on these"
)
def test_where_the_priority_must_stay_as_it_is_checkpoints_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.storage.denied", str(tmp_path / "kmsd.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "checkpoints run with the priority of requests" in done.stdout
    *_, pages, end = done.stdout.splitlines()
    assert end == "stopped"
    assert all(int(number) > 0 for number in pages.removeprefix("pages in the log: ").split())
