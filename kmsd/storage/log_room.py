"""Room in the write-ahead log, made before it is needed.

A commit that makes the file longer waits for the file system's journal too: 250 us, where one within the file takes
170 us. SQLite starts the log of each process that is alone with a store from nothing, so that is all commits up to the
first checkpoint, some 32 MiB of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

LEAST = 64 << 10
MOST = 1 << 20
"""Bytes added at once; between these two, as many as there are, so that a small log stays small."""
_ZEROS = bytes(MOST)
_FRAME = 24 + 4096
"""Bytes of a page in the log. One that is written is not all zeros: its number is not (4.1)."""


class LogRoom:
    """Makes the log of a store longer whenever SQLite has had to, and nobody else has made room since.

    Recovery ends at the first frame that is not one of the log's (SQLite, "WAL-mode File Format", 4.1), as one of
    zeros never is. What ends there is overwritten by the next frame.
    """

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + "-wal")
        self._descriptor = -1
        self._size = -1

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def make(self) -> None:
        """Only for who holds SQLite's write lock: then the log's end is nobody else's."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            # Who asks with fstat has the next write note its time anew, which some file systems then store with it.
            size = os.lseek(self._descriptor, 0, os.SEEK_END)
            if size != self._size:
                self._size = size
                # Or two processes that write by turns would each answer the other's room with more, without an end.
                end = os.pread(self._descriptor, _FRAME, max(size - _FRAME, 0))
                if end and not any(end):
                    return
                self._size += os.pwrite(self._descriptor, _ZEROS[: min(max(size, LEAST), MOST)], size)
        except OSError as error:
            # Nothing depends on it. A full disk is told to the next commit that finds no room.
            log.warning("no room made in the write-ahead log", error=str(error))
