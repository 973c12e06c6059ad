"""Others pause, too, for the checkpoint after which the log starts anew."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kmsd.storage import transaction, writer
from kmsd.storage.connection import FileLock
from tests.storage.samples import aes_key
from tests.storage.test_store import insert, running


async def test_others_pause_too_while_the_log_is_brought_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_BEHIND", -1)
    path = tmp_path / "kmsd.db"
    paused = []
    with closing(FileLock(path)) as other:

        def try_to_write(_: str) -> None:
            paused.append(not other.try_acquire())
            if not paused[-1]:
                other.release()

        async with running(path) as store:
            store._checkpointer._connection.set_trace_callback(try_to_write)
            await insert(store, aes_key())
            await insert(store, aes_key())
        assert paused
        assert all(paused)
        assert other.try_acquire()


async def test_a_checkpoint_that_others_do_not_pause_for_is_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "BUSY_SECONDS", 0.05)
    path = tmp_path / "kmsd.db"
    async with running(path) as store:
        with closing(FileLock(path)) as other, other.held(), capture_logs() as logs:
            assert store._checkpointer.checkpoint(store._transactions.paused()) == 0
        assert [entry["event"] for entry in logs] == ["checkpoint failed"]
        await insert(store, aes_key())
