"""The one task that writes: group commit.

Whatever is waiting when the writer is free goes into one BEGIN IMMEDIATE ... COMMIT with synchronous=FULL,
and each waiter is woken after it. There is no delay to gather more: the commit of one group is the time in
which the next one gathers.

A unit is checked against the store before its first change is written, so one that is refused (a changed
version, a name in use) leaves nothing to undo and fails alone. A failure nobody expects, such as a full
disk, undoes the group, and its units are tried again one by one: they are plain rows, so that is safe, and
it finds the one to blame. A savepoint round each unit would do the same, but each costs 12 us, all for a
case that does not happen.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import outcome
import trio

from kmsd.domain.records import AuditRecord
from kmsd.storage import query
from kmsd.storage.connection import FileLock
from kmsd.storage.errors import ConflictError, DuplicateNameError, StoreClosedError, StoreError
from kmsd.storage.rows import Entry

WAITING_LIMIT = 1024
"""Units that may wait; a commit beyond waits for its place, and may still be cancelled there."""
GROUP_LIMIT = 256
CHECKPOINT_ROWS = 4000
"""Changed rows after which the write-ahead log is brought into the file, some 8 to 16 MiB of log."""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed object: what is stored must still be `before`, whose version is one less."""

    before: Entry
    after: Entry


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work as rows."""

    inserts: tuple[Entry, ...]
    changes: tuple[Change, ...]
    records: tuple[AuditRecord, ...]


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    task: trio.lowlevel.Task


class Writer:
    """Commits units for tasks of one event loop. Owns a connection and the lock between processes."""

    def __init__(
        self, connection: sqlite3.Connection, checkpointer: sqlite3.Connection, lock: FileLock
    ) -> None:
        self._connection = connection
        self._checkpointer = checkpointer
        self._lock = lock
        # Trio's tasks and whoever stores a tenant from a thread share the connection.
        self._mutex = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._idle = trio.lowlevel.ParkingLot()
        self._full = trio.lowlevel.ParkingLot()
        self._limiter = trio.CapacityLimiter(1)
        self._running = False
        self._accepting = False
        self._checkpointed = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled; what was handed over by then is still committed and answered."""
        if self._running:
            raise RuntimeError("the writer runs already")
        self._running = self._accepting = True
        try:
            task_status.started()
            while True:
                if not self._waiting:
                    await self._idle.park()
                await self._commit_waiting()
        finally:
            self._accepting = False
            self._full.unpark_all()
            with trio.CancelScope(shield=True):
                while self._waiting:
                    await self._commit_waiting()
            self._running = False

    async def commit(self, unit: Unit) -> None:
        """Hand over and wait for the outcome; cancelling stops waiting for a place, never for an outcome."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._accepting and len(self._waiting) >= WAITING_LIMIT:
            await self._full.park()
        if not self._accepting:
            raise StoreClosedError("the store's writer is not running")
        self._waiting.append(_Waiting(unit, trio.lowlevel.current_task()))
        self._idle.unpark()
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def _commit_waiting(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_LIMIT))]
        self._full.unpark(count=len(group))
        try:
            with trio.CancelScope(shield=True):
                errors = await trio.to_thread.run_sync(
                    self.write, [waiting.unit for waiting in group], limiter=self._limiter
                )
        except BaseException as error:
            for waiting in group:
                failed = StoreClosedError(f"the writer failed: {error!r}")
                trio.lowlevel.reschedule(waiting.task, outcome.Error(failed))
            raise
        for waiting, failure in zip(group, errors, strict=True):
            result: outcome.Outcome[None]
            result = outcome.Value(None) if failure is None else outcome.Error(failure)
            trio.lowlevel.reschedule(waiting.task, result)
        if self._connection.total_changes - self._checkpointed > CHECKPOINT_ROWS:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self.checkpoint, limiter=self._limiter)

    def execute(self, statement: str, parameters: tuple[object, ...]) -> None:
        """One statement in a transaction of its own. Blocks."""
        with self._mutex, self._lock.held():
            self._connection.execute(statement, parameters)

    def checkpoint(self) -> None:
        """Bring the log into the file, so that the next transaction starts the log anew."""
        self._checkpointed = self._connection.total_changes
        self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def write(self, units: Sequence[Unit]) -> list[Exception | None]:
        """Commit the units in one transaction; what became of each. Blocks."""
        try:
            with self._mutex, self._lock.held():
                return self._write_group(units)
        except Exception as error:
            return [_own(error) for _ in units]

    def _write_group(self, units: Sequence[Unit]) -> list[Exception | None]:
        connection = self._connection
        outcomes: list[Exception | None] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for unit in units:
                try:
                    identities = self._check(unit)
                except (ConflictError, DuplicateNameError) as refusal:
                    outcomes.append(refusal)
                    continue
                self._apply(unit, identities)
                outcomes.append(None)
        except Exception as error:
            self._roll_back()
            if len(units) == 1:
                return [_own(error)]
            return [outcome_ for unit in units for outcome_ in self._write_group([unit])]
        except BaseException:
            self._roll_back()
            raise
        try:
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return outcomes

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after some errors (full disk, I/O).
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _check(self, unit: Unit) -> list[int]:
        """The row ids of the changed objects; refuses before anything of the unit is written."""
        execute = self._connection.execute
        identities = []
        released: set[tuple[str, str]] = set()
        for change in unit.changes:
            before = change.before.row
            found = execute(query.LOCK.sql, (before.uid, before.tenant)).fetchone()
            if found is None or found[1] != before.version:
                raise ConflictError(f"{before.uid!r} changed meanwhile")
            identities.append(found[0])
            released |= {(before.tenant, name) for name in change.before.names - change.after.names}
        claimed: set[tuple[str, str]] = set()
        for entry, kept in [
            *((entry, frozenset[str]()) for entry in unit.inserts),
            *((change.after, change.before.names) for change in unit.changes),
        ]:
            for name in entry.names - kept:
                claim = (entry.row.tenant, name)
                taken = claim not in released and execute(query.NAME_HOLDER.sql, claim).fetchone()
                if taken or claim in claimed:
                    raise DuplicateNameError(name)
                claimed.add(claim)
        for entry in unit.inserts:
            if execute(query.UID_TAKEN.sql, (entry.row.uid,)).fetchone():
                raise ConflictError(f"{entry.row.uid!r} exists")
        return identities

    def _apply(self, unit: Unit, identities: list[int]) -> None:
        execute, executemany = self._connection.execute, self._connection.executemany
        for change in unit.changes:
            # First, since a name may go from one object of the unit to another.
            tenant = change.before.row.tenant
            gone = change.before.names - change.after.names
            executemany(query.DELETE_NAME.sql, [(tenant, name) for name in gone])
        for entry in unit.inserts:
            row_id = execute(query.INSERT_OBJECT.sql, entry.row).lastrowid
            executemany(query.INSERT_TERM.sql, _term_rows(entry, row_id))
            executemany(query.INSERT_NAME.sql, [(entry.row.tenant, name, row_id) for name in entry.names])
        for change, row_id in zip(unit.changes, identities, strict=True):
            after = change.after.row
            execute(query.UPDATE_OBJECT.sql, (*after[2:], row_id))
            old, new = _term_rows(change.before, row_id), _term_rows(change.after, row_id)
            executemany(query.DELETE_TERM.sql, old - new)
            executemany(query.INSERT_TERM.sql, new - old)
            gained = change.after.names - change.before.names
            executemany(query.INSERT_NAME.sql, [(after.tenant, name, row_id) for name in gained])
        if unit.records:
            executemany(query.INSERT_AUDIT.sql, [audit_row(record) for record in unit.records])


def audit_row(record: AuditRecord) -> tuple[object, ...]:
    return (
        record.time,
        record.tenant,
        record.client,
        record.address,
        record.operation,
        record.uid,
        record.result,
        record.reason,
        record.detail,
    )


def _term_rows(entry: Entry, row_id: int | None) -> set[tuple[str, str, int, int | None, int]]:
    tenant, created = entry.row.tenant, entry.row.created
    return {(tenant, term, created, row_id, instance) for term, instance in entry.terms}


def _own(error: Exception) -> StoreError:
    """An exception for one waiter alone, so that no two tasks raise the same object."""
    kind = type(error) if isinstance(error, StoreError) else StoreError
    own = kind(f"not stored: {error}")
    own.__cause__ = error
    return own
