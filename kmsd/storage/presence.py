"""Which processes serve a store: each holds a shared lock on a file beside it for as long as it lives.

Who finds himself alone at his start knows that no request of another process is under way, so that what looks half
done was left by one that has died. The system gives the lock back when its holder dies, however it does.
"""

from __future__ import annotations

import fcntl
import math
import os
import time
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

PATIENCE = 5.0
"""Seconds that one waits for another before the log says so."""
_PAUSE = 0.01


class Presence:
    """`alone` until `settle`: nobody else serves the store, and who wants to waits."""

    def __init__(self, path: Path) -> None:
        """Waits while another process is alone, however long: a big token takes it minutes to look through, and
        keys that are made meanwhile would be orphans in its eyes."""
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
        patience = time.monotonic() + PATIENCE
        while not self._lock(fcntl.LOCK_SH):
            if time.monotonic() >= patience:
                log.warning(
                    "waits for another process that holds the store against the tokens, at its start or as a command",
                    path=str(self._path),
                )
                patience = math.inf
            time.sleep(_PAUSE)

    def _lock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
