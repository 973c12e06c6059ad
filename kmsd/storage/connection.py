"""SQLite connections as the store wants them, and the lock between processes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmsd.storage.errors import SchemaError, StoreBusyError

BUSY_SECONDS = 10.0
LARGEST_LOG = 64 << 20
"""Bytes to which the write-ahead log is cut when it starts anew."""
CACHE_KIB = 1000
"""Of pages, per connection: half of what SQLite takes. With a quarter, Creates among 10,000 objects are 2 % slower."""
# sqlite3 looks for an adapter of each value of these types, which need none, and in vain: two attributes that are not
# there, 0.3 us. One that it finds is quicker.
sqlite3.register_adapter(type(None), lambda none: none)
sqlite3.register_adapter(bytes, bytes)

_FIRST_PAUSE = 0.0002
_LONGEST_PAUSE = 0.002


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode to a file that exists.

    synchronous=FULL: with NORMAL, WAL forgets acknowledged commits at power loss.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.OperationalError as error:
        raise SchemaError(f"{path}: {error}") from error
    try:
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise SchemaError(f"{path}: no write-ahead log on this file system (journal mode {mode})")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size={-CACHE_KIB}")
        # The writer task checkpoints, outside the time that a request waits for its commit.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA journal_size_limit={LARGEST_LOG}").fetchall()
        if read_only:
            connection.execute("PRAGMA query_only=ON")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise SchemaError(f"{path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def create_private(path: Path) -> bool:
    """Make an empty file that only its owner may read; False if there is one. SQLite gives -wal and -shm
    its mode.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    return True


class FileLock:
    """One writer at a time among processes: with SQLite's own busy handler one of two writers starves."""

    def __init__(self, store: Path) -> None:
        """The lock of a store is a file beside it: locks on the file itself are SQLite's own."""
        self._path = store.with_name(store.name + "-lock")
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        os.close(self._descriptor)

    def try_acquire(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @contextmanager
    def held(self, seconds: float = BUSY_SECONDS) -> Iterator[None]:
        """Hold the lock; StoreBusyError after `seconds`, so that a stopped process stops no other for ever."""
        deadline = time.monotonic() + seconds
        pause = _FIRST_PAUSE
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise StoreBusyError(f"{self._path}: held by another process for {seconds:g} s")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        try:
            yield
        finally:
            self.release()
