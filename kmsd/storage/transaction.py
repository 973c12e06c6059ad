"""Units of work as SQL, in one transaction for all that wait. Everything here blocks.

A unit is checked against the store before its first change is written, so one that is refused (a changed
version, a name in use) leaves nothing to undo and fails alone. A failure nobody expects, such as a full
disk, undoes the group, and its units are tried again one by one: they are plain rows, so that is safe, and
it finds the one to blame. A savepoint round each unit would do the same, but each costs 12 us, all for a
case that does not happen.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from kmsd.domain.records import AuditRecord
from kmsd.domain.terms import Term
from kmsd.storage import statements as sql
from kmsd.storage.connection import BUSY_SECONDS, FileLock
from kmsd.storage.errors import ConflictError, DuplicateNameError, StoreBusyError, StoreError
from kmsd.storage.log_room import LogRoom
from kmsd.storage.rows import Entry, digest_of

Outcomes = list[Exception | None]
_PAUSE = 0.0002
_LONGEST_PAUSE = 0.002
KNOWN_KINDS = 1024
"""Kinds whose row ids are kept in memory; they never change."""


class Change(NamedTuple):
    """A changed object: what is stored must still be `before`, whose version is one less."""

    before: Entry
    after: Entry


class Unit(NamedTuple):
    """A unit of work as rows."""

    inserts: Sequence[Entry]
    changes: Sequence[Change]
    records: Sequence[AuditRecord]

    def identities(self) -> list[tuple[str, str]]:
        """Tenant and Unique Identifier of each object that it makes or changes."""
        rows = [entry.row for entry in self.inserts]
        rows += [change.after.row for change in self.changes]
        return [(row.tenant, row.uid) for row in rows]


class Transactions:
    """One transaction at a time on one connection, under the lock between processes.

    After `begin` comes `fill`, after `fill` comes `commit`, in whatever thread; each of them that raises has
    rolled back and let go of the lock.
    """

    def __init__(self, connection: sqlite3.Connection, lock: FileLock, room: LogRoom) -> None:
        self._connection = connection
        self._lock = lock
        self._room = room
        self._mutex = threading.Lock()
        self._kinds: dict[tuple[str, frozenset[Term]], int] = {}
        # Waiting is done here, where it can be bounded, and never in SQLite on the event loop.
        connection.execute("PRAGMA busy_timeout=0")

    @property
    def changed_rows(self) -> int:
        """Rows changed since the connection was opened."""
        return self._connection.total_changes

    def epoch(self) -> int | None:
        """What each commit of another connection changes, whatever its process, and no commit of this one; None while
        a transaction goes on in a thread (SQLite, PRAGMA data_version)."""
        if not self._mutex.acquire(blocking=False):
            return None
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return version
        finally:
            self._mutex.release()

    def try_begin(self) -> bool:
        """Begin, unless somebody else is writing."""
        if not self._mutex.acquire(blocking=False):
            return False
        try:
            if self._lock.try_acquire():
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                except BaseException as error:
                    self._lock.release()
                    if not _is_busy(error):
                        raise
                else:
                    return True
        except BaseException:
            self._mutex.release()
            raise
        self._mutex.release()
        return False

    def begin(self) -> None:
        """Begin, waiting for others; StoreBusyError after BUSY_SECONDS."""
        deadline = time.monotonic() + BUSY_SECONDS
        pause = _PAUSE
        while not self.try_begin():
            if time.monotonic() >= deadline:
                raise StoreBusyError(f"the store was held by another process for {BUSY_SECONDS:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody commits meanwhile, in whatever process; StoreBusyError as `begin`."""
        with self._mutex, self._lock.held(BUSY_SECONDS):
            yield

    def fill(self, units: Sequence[Unit]) -> Outcomes:
        """Write the units that are not refused; what became of each."""
        outcomes: Outcomes = []
        # What no unit of the group can ask for: written at the end, in as few calls as there are tables.
        terms: list[_TermRow] = []
        records: list[AuditRecord] = []
        try:
            for unit in units:
                if unit.inserts or unit.changes:
                    try:
                        identities = self._check(unit)
                    except (ConflictError, DuplicateNameError) as refusal:
                        outcomes.append(refusal)
                        continue
                    self._apply(unit, identities, terms)
                records += unit.records
                outcomes.append(None)
            if terms:
                self._connection.executemany(sql.INSERT_TERM.sql, terms)
            if records:
                self._connection.executemany(sql.INSERT_AUDIT.sql, records)
        except BaseException:
            self._end("ROLLBACK")
            raise
        return outcomes

    def commit(self) -> None:
        """Make durable what was filled in. If it raises, nothing is stored."""
        try:
            self._room.make()
            self._connection.execute("COMMIT")
        except BaseException:
            self._end("ROLLBACK")
            raise
        self._end(None)

    def _end(self, statement: str | None) -> None:
        try:
            # SQLite has rolled back by itself after some errors (full disk, I/O).
            if statement is not None:
                # One that was new in this transaction is no more.
                self._kinds.clear()
                if self._connection.in_transaction:
                    self._connection.execute(statement)
        finally:
            self._lock.release()
            self._mutex.release()

    def write(self, units: Sequence[Unit]) -> Outcomes:
        """All of it: begin, fill and commit, and one by one if that fails."""
        try:
            self.begin()
        except Exception as error:
            return [failure(error) for _ in units]
        try:
            outcomes = self.fill(units)
        except Exception as error:
            return [failure(error)] if len(units) == 1 else self.write_each(units)
        try:
            self.commit()
        except Exception as error:
            return [outcome or failure(error) for outcome in outcomes]
        return outcomes

    def write_each(self, units: Sequence[Unit]) -> Outcomes:
        """Each unit in a transaction of its own."""
        return [outcome for unit in units for outcome in self.write([unit])]

    def execute(self, statement: str, parameters: tuple[object, ...]) -> None:
        """One statement in a transaction of its own."""
        self.begin()
        try:
            self._connection.execute(statement, parameters)
        except BaseException:
            self._end("ROLLBACK")
            raise
        self.commit()

    def _check(self, unit: Unit) -> list[int]:
        """The row ids of the changed objects; refuses before anything of the unit is written."""
        execute = self._connection.execute
        identities = []
        released: set[tuple[str, str]] = set()
        claims: list[tuple[str, str]] = []
        for change in unit.changes:
            before = change.before.row
            found = execute(sql.LOCK.sql, (before.uid, before.tenant)).fetchone()
            if found is None or found[1] != before.version:
                raise ConflictError(f"{before.uid!r} changed meanwhile")
            identities.append(found[0])
            released |= {(before.tenant, name) for name in change.before.names - change.after.names}
            claims += [(before.tenant, name) for name in change.after.names - change.before.names]
        for row, _, names in unit.inserts:
            if execute(sql.UID_TAKEN.sql, (row.uid, row.tenant)).fetchone():
                raise ConflictError(f"{row.uid!r} exists")
            if names:
                claims += [(row.tenant, name) for name in names]
        claimed: set[tuple[str, str]] = set()
        for claim in claims:
            taken = claim not in released and execute(sql.NAME_HOLDER.sql, claim).fetchone()
            if taken or claim in claimed:
                raise DuplicateNameError(claim[1])
            claimed.add(claim)
        return identities

    def _apply(self, unit: Unit, identities: list[int], new_terms: list[_TermRow]) -> None:
        execute, executemany = self._connection.execute, self._connection.executemany
        for change in unit.changes:
            # First, since a name may go from one object of the unit to another.
            tenant = change.before.row.tenant
            gone = change.before.names - change.after.names
            executemany(sql.DELETE_NAME.sql, [(tenant, name) for name in gone])
        for entry in unit.inserts:
            row_id = execute(sql.INSERT_OBJECT.sql, (*entry.row, self._kind(entry))).lastrowid
            new_terms += _term_rows(entry, row_id)
            if entry.names:
                executemany(sql.INSERT_NAME.sql, [(entry.row.tenant, name, row_id) for name in entry.names])
        for change, row_id in zip(unit.changes, identities, strict=True):
            after = change.after.row
            execute(sql.UPDATE_OBJECT.sql, (*after[2:], self._kind(change.after), row_id))
            old, new = _term_rows(change.before, row_id), _term_rows(change.after, row_id)
            executemany(sql.DELETE_TERM.sql, old - new)
            new_terms += new - old
            gained = change.after.names - change.before.names
            executemany(sql.INSERT_NAME.sql, [(after.tenant, name, row_id) for name in gained])

    def _kind(self, entry: Entry) -> int:
        """The row id of the object's kind, which is made with its first object."""
        tenant, terms = entry.row.tenant, entry.terms.kind
        known = self._kinds.get((tenant, terms))
        if known is not None:
            return known
        execute = self._connection.execute
        digest = digest_of(terms)
        found = execute(sql.FIND_KIND.sql, (tenant, digest)).fetchone()
        identity: int | None = found[0] if found else execute(sql.INSERT_KIND.sql, (tenant, digest)).lastrowid
        if identity is None:
            raise RuntimeError("a row without an id")
        if not found:
            rows = [(tenant, term, identity, instance) for term, instance in terms]
            self._connection.executemany(sql.INSERT_KIND_TERM.sql, rows)
        if len(self._kinds) >= KNOWN_KINDS:
            self._kinds.clear()
        self._kinds[tenant, terms] = identity
        return identity


_TermRow = tuple[str, str, int, int | None, int]


def _term_rows(entry: Entry, row_id: int | None) -> set[_TermRow]:
    tenant, created = entry.row.tenant, entry.row.created
    return {(tenant, term, created, row_id, instance) for term, instance in entry.terms.own}


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def failure(error: BaseException) -> StoreError:
    """An exception for one waiter alone, so that no two tasks raise the same object."""
    kind = type(error) if isinstance(error, StoreError) else StoreError
    own = kind(f"not stored: {error}")
    own.__cause__ = error
    return own
