"""The one task that writes: group commit.

Whatever is waiting when the writer is free goes into one BEGIN IMMEDIATE ... COMMIT with synchronous=FULL,
and each waiter is woken after it. There is no timed delay to gather more: the commit of one group is the time in
which the next one gathers, and requests that have arrived by its end get their turn on the event loop first.

The statements run on the event loop: a thread that runs many short statements gives up the interpreter's lock
at each of them, and waits up to 5 ms for a busy event loop to give it back. COMMIT waits for the disk.
While the disk has been quick it runs on the loop too, which saves more than the 0.1 ms of a hop; else in a
thread, so that a slow disk delays only those who wait for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, TypeVar

import outcome
import trio

from kmsd.storage.checkpointer import Checkpointer
from kmsd.storage.epoch import Epoch
from kmsd.storage.errors import StoreClosedError
from kmsd.storage.transaction import Outcomes, Transactions, Unit, failure

T = TypeVar("T")

WAITING_LIMIT = 1024
"""Units that may wait; a commit beyond waits for its place, and may still be cancelled there."""
GROUP_LIMIT = 64
QUICK_SECONDS = 0.003
"""Commits that take less on average run on the event loop."""
PROBE_GROUPS = 64
"""After so many commits in threads one is tried on the loop again: in a thread the wait for the interpreter's
lock is measured as well, and looks like a slow disk."""
CHECKPOINT_ROWS = 16_000
"""Changed rows after which the write-ahead log is brought into the file, some 32 MiB of log. A page that changes again
and again is written there once."""
MOST_BEHIND = 3 * CHECKPOINT_ROWS
"""Changed rows without a checkpoint after which commits pause for one: where others take all of the processor, the one
beside the commits may not come to its end."""
LONGEST_LOG_PAGES = 16384
"""Pages of 4 KiB after which commits pause once, those of others too, so that the log starts anew."""


class _Waiting(NamedTuple):
    unit: Unit
    task: trio.lowlevel.Task


def _refuse(group: Iterable[_Waiting], error: BaseException) -> None:
    for waiting in group:
        trio.lowlevel.reschedule(waiting.task, outcome.Error(failure(error)))


class Writer:
    """Commits units for tasks of one event loop."""

    def __init__(
        self,
        transactions: Transactions,
        checkpointer: Checkpointer,
        epoch: Epoch,
        forget: Callable[[Iterable[tuple[str, str]]], None],
    ) -> None:
        """`forget` is told which objects units change, by tenant and identifier, before the commit and after it."""
        self._transactions = transactions
        self._epoch = epoch
        self._forget = forget
        self._checkpointer = checkpointer
        self._waiting: deque[_Waiting] = deque()
        self._idle = trio.lowlevel.ParkingLot()
        self._full = trio.lowlevel.ParkingLot()
        self._limiter = trio.CapacityLimiter(1)
        self._accepting = False
        self._asked_rows = 0
        self._done_rows = 0
        self._much = trio.Event()
        self._settle = False
        self._average = 0.0
        self._threaded = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled, one task at a time; what was handed over by then is still committed and answered."""
        self._accepting = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._checkpoints)
                task_status.started()
                while True:
                    if not self._waiting:
                        await self._idle.park()
                    await self._commit_waiting()
        finally:
            self._accepting = False
            self._full.unpark_all()
            try:
                with trio.CancelScope(shield=True):
                    while self._waiting:
                        await self._commit_waiting()
            finally:
                # There is somebody only where the writer broke once more: nobody waits for ever.
                _refuse(self._waiting, StoreClosedError("the store's writer has failed"))
                self._waiting.clear()

    async def _checkpoints(self) -> None:
        """Bring the log into the file while commits go on, so that no request waits for that."""
        while True:
            await self._much.wait()
            self._much = trio.Event()
            rows = self._asked_rows
            pages = await self._checkpointer.checkpoint_beside()
            self._done_rows = max(self._done_rows, rows)
            # The log starts anew only when all of it is in the file at the start of a transaction. A pause between
            # commits is enough for that; where there is none, the log grows until the writer makes one.
            self._settle = pages > LONGEST_LOG_PAGES

    async def commit(self, unit: Unit) -> None:
        """Hand over and wait for the outcome; cancelling stops waiting for a place, never for an outcome."""
        while self._accepting and len(self._waiting) >= WAITING_LIMIT:
            await self._full.park()
        if not self._accepting:
            raise StoreClosedError("the store's writer is not running")
        self._waiting.append(_Waiting(unit, trio.lowlevel.current_task()))
        if self._idle:
            self._idle.unpark()
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def _gather(self) -> None:
        """Let others run as long as each round of the event loop brings more units: two groups by turns, each of half
        the clients, would wait for the disk twice as often as one of all."""
        before = 0
        while before < len(self._waiting) < GROUP_LIMIT:
            before = len(self._waiting)
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _commit_waiting(self) -> None:
        await self._gather()
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_LIMIT))]
        self._full.unpark(count=len(group))
        try:
            with trio.CancelScope(shield=True):
                outcomes = await self._commit_group([waiting.unit for waiting in group])
        except BaseException as error:
            _refuse(group, error)
            raise
        rows = self._transactions.changed_rows
        for waiting, refused in zip(group, outcomes, strict=True):
            result: outcome.Outcome[None]
            result = outcome.Value(None) if refused is None else outcome.Error(refused)
            trio.lowlevel.reschedule(waiting.task, result)
        if self._settle or rows - self._done_rows > MOST_BEHIND:
            self._settle = False
            with trio.CancelScope(shield=True):
                pausing = partial(self._checkpointer.checkpoint, self._transactions.paused())
                await trio.to_thread.run_sync(pausing, limiter=self._limiter)
            self._done_rows = rows
        elif rows - self._asked_rows > CHECKPOINT_ROWS:
            self._asked_rows = rows
            self._much.set()
        # They run, and others hand over what they have, before the next group is taken.
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def _commit_group(self, units: list[Unit]) -> Outcomes:
        transactions = self._transactions
        try:
            if not transactions.try_begin():
                # Another process writes: waiting for it is not for the event loop.
                await trio.to_thread.run_sync(transactions.begin, limiter=self._limiter)
        except Exception as error:
            return [failure(error) for _ in units]
        changing = [key for unit in units if unit.changes or unit.inserts for key in unit.identities()]
        self._forget(changing)
        try:
            outcomes = transactions.fill(units)
        except Exception:
            return await self._in_thread(partial(transactions.write_each, units), changing)
        try:
            await self._commit(changing)
        except Exception as error:
            return [refused or failure(error) for refused in outcomes]
        return outcomes

    async def _commit(self, changing: Iterable[tuple[str, str]]) -> None:
        inline = self._average < QUICK_SECONDS or self._threaded >= PROBE_GROUPS
        start = time.monotonic()
        if inline:
            self._threaded = 0
            self._transactions.commit()
            self._forget(changing)
        else:
            self._threaded += 1
            await self._in_thread(self._transactions.commit, changing)
        took = time.monotonic() - start
        # A quick commit on the loop counts at once: the disk is quick.
        self._average += (took - self._average) * (0.5 if inline and took < QUICK_SECONDS else 0.1)

    async def _in_thread(self, commit: Callable[[], T], changing: Iterable[tuple[str, str]]) -> T:
        """Whoever reads meanwhile sees what was stored before, or after; what they keep of it is forgotten again."""
        with self._epoch.unknown():
            try:
                return await trio.to_thread.run_sync(commit, limiter=self._limiter)
            finally:
                self._forget(changing)
