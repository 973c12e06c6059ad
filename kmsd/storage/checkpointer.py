"""Bringing the write-ahead log into the file, beside the commits and behind them."""

from __future__ import annotations

import os
import queue
import sqlite3
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import outcome
import structlog
import trio

from kmsd.storage.connection import connect
from kmsd.storage.errors import StoreBusyError

log = structlog.get_logger(__name__)

_NICENESS = 10
"""The thread leaves most of the processor to requests: on a single one, a checkpoint made one request in a hundred
wait twice as long."""


class Checkpointer:
    """A connection of its own, and a thread of its own for checkpoints that nobody waits for."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        # The thread beside, and the writer where that one is behind, use the one connection.
        self._using = threading.Lock()
        self._asked: queue.SimpleQueue[tuple[trio.lowlevel.TrioToken, trio.Event] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._result: outcome.Outcome[int] = outcome.Value(0)

    def close(self) -> None:
        """Wait for the checkpoint in work, and close the connection."""
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
        self._connection.close()

    def checkpoint(self, pause: AbstractContextManager[None] | None = None) -> int:
        """Bring into the file what of the log no reader needs any more, and return the length of the log in pages.

        Blocks, but not other writers; those too where it is given a `pause` of theirs. Behind what they write
        meanwhile the log would never be all in the file, and never start anew.
        """
        try:
            # The one beside, which may be slow, is waited for before others are made to wait.
            with self._using, pause or nullcontext():
                _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except (sqlite3.OperationalError, StoreBusyError) as error:
            # Nothing is lost: the log keeps what is not in the file. Reads go on even with a full disk.
            log.warning("checkpoint failed", error=str(error))
            return 0
        return int(pages)

    async def checkpoint_beside(self) -> int:
        """As `checkpoint`, in the thread of low priority; one task at a time. Cancelling waits for its end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="checkpoints", daemon=True)
            self._thread.start()
        done = trio.Event()
        self._asked.put((trio.lowlevel.current_trio_token(), done))
        with trio.CancelScope(shield=True):
            await done.wait()
        await trio.lowlevel.checkpoint_if_cancelled()
        return self._result.unwrap()

    def _serve(self) -> None:
        # Whatever happens in here, who asked hears of it, and the thread serves the next.
        work = self._first
        while (asked := self._asked.get()) is not None:
            token, done = asked
            self._result = outcome.capture(work)
            work = self.checkpoint
            token.run_sync_soon(done.set)

    def _first(self) -> int:
        if sys.platform == "linux":
            # There, a thread has a priority of its own. A service manager may forbid to change it.
            try:
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
            except OSError as error:
                log.info("checkpoints run with the priority of requests", cause=str(error))
        return self.checkpoint()
