"""Which processes serve a store: each holds a shared lock on a file beside it for as long as it lives.

Who finds himself alone at his start knows that no request of another process is under way, so that what looks half
done was left by one that has died. The system gives the lock back when its holder dies, however it does.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from kmsd.storage.connection import BUSY_SECONDS
from kmsd.storage.errors import StoreBusyError

_PAUSE = 0.01


class Presence:
    """`alone` until `settle`: nobody else serves the store, and who wants to waits."""

    def __init__(self, path: Path) -> None:
        """Raises StoreBusyError where another process stays alone for more than BUSY_SECONDS."""
        self._path = path
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self.alone = self._lock(fcntl.LOCK_EX)
        if not self.alone:
            try:
                self._share()
            except BaseException:
                self.close()
                raise

    def settle(self) -> None:
        """Let others come: from now on there may be any number."""
        if self.alone:
            self.alone = False
            self._share()

    def close(self) -> None:
        os.close(self._descriptor)

    def _share(self) -> None:
        deadline = time.monotonic() + BUSY_SECONDS
        while not self._lock(fcntl.LOCK_SH):
            if time.monotonic() >= deadline:
                raise StoreBusyError(f"{self._path}: held by another process for {BUSY_SECONDS:g} s")
            time.sleep(_PAUSE)

    def _lock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
