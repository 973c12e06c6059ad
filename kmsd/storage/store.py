"""The store as the operations see it: reads at once, writes through the writer task."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio

from kmsd.domain.locate import LocateQuery, Search, fulfils, overdue, prepare
from kmsd.domain.objects import ManagedObject
from kmsd.domain.records import AuditRecord
from kmsd.storage import statements as sql
from kmsd.storage.cache import ObjectCache
from kmsd.storage.checkpointer import Checkpointer
from kmsd.storage.connection import FileLock, connect
from kmsd.storage.epoch import Epoch
from kmsd.storage.errors import ConflictError, ObjectTooLargeError
from kmsd.storage.log_room import LogRoom
from kmsd.storage.presence import Presence
from kmsd.storage.query import count, select
from kmsd.storage.rows import Entry, ObjectRow, decode, encode
from kmsd.storage.transaction import Change, Transactions, Unit
from kmsd.storage.upgrade import migrate
from kmsd.storage.work import UnitOfWork
from kmsd.storage.writer import Writer

Accept = Callable[[ManagedObject], bool]
T = TypeVar("T")

CACHED_OBJECTS = 1000
CACHED_BYTES = 16 * 1024
"""Larger objects are not kept in memory, so that the cache is bounded in bytes as well."""


LARGEST_ATTRIBUTES = 64 * 1024
"""Bytes of all attributes of one object: it is read, and written, as a whole."""
MANY_KINDS = 1000
"""Kinds of one tenant that are looked through in a millisecond."""
MOST_TERMS = 2048
"""What one object may be found by. Each is a row of the index, written while everybody waits."""


def _bounded(entry: Entry) -> Entry:
    if len(entry.row.attributes) > LARGEST_ATTRIBUTES:
        raise ObjectTooLargeError(f"{LARGEST_ATTRIBUTES} bytes of attributes")
    if len(entry.terms.own) > MOST_TERMS:
        raise ObjectTooLargeError(f"{MOST_TERMS} values to be found by")
    return entry


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant's data key, wrapped by its key-encryption key under the root named."""

    name: str
    root: str
    wrapped_key: bytes


class Store:
    """One SQLite file. Open it after a fork; one event loop per Store.

    `locate`, `count`, `load_tenant` and `save_tenant` may be called from any thread, and read through a connection of
    their own there; all else belongs to the thread that opened it.
    """

    def __init__(self, path: Path, *, cached_objects: int = CACHED_OBJECTS) -> None:
        """Open, or make, a store of the current schema. Raises SchemaError."""
        self._path = path
        self._idle_readers: list[sqlite3.Connection] = []
        migrate(path)
        self._lock = FileLock(path)
        self._connection = connect(path)
        self._checkpointer = Checkpointer(path)
        self._room = LogRoom(path)
        self._transactions = Transactions(self._connection, self._lock, self._room)
        self._epoch = Epoch(self._transactions.epoch)
        self._cache = ObjectCache(cached_objects)
        self._writer = Writer(self._transactions, self._checkpointer, self._epoch, self._cache.drop)
        self._holders: dict[tuple[str, str], str] = {}
        self._reader = connect(path, read_only=True)
        self._read = self._reader.execute
        self._thread = threading.get_ident()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, cached_objects: int = CACHED_OBJECTS) -> Store:
        return cls(Path(path), cached_objects=cached_objects)

    def close(self) -> None:
        """After `run` has ended and no thread reads any more."""
        for reader in (self._reader, *self._idle_readers):
            reader.close()
        self._idle_readers.clear()
        self._checkpointer.close()
        self._connection.close()
        self._room.close()
        self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The writer: start it in a nursery that outlives every request."""
        if self._epoch.in_rounds:
            raise RuntimeError("the writer runs already")
        with self._epoch:
            await self._writer.run(task_status)

    def get(self, tenant: str, uid: str, *, beside: str | None = None) -> ManagedObject | None:
        """The committed object; None where there is none, or it is another tenant's. Raises
        CorruptStoreError.

        `beside` is an object of the tenant that the caller has just read, from here: what was stored then is good
        enough. One that it has changed and not stored is not.
        """
        # A copy that was checked in this epoch is the stored state: others have committed nothing since, and what this
        # writer changes it makes the cache forget.
        known = self._cache.entry(tenant, beside) if beside is not None else None
        epoch = known.epoch if known is not None else self._epoch.now()
        cached = self._cache.get(tenant, uid)
        if cached is not None:
            if epoch is not None and cached.epoch == epoch:
                return cached.object
            found = self._read(sql.VERSION.sql, (uid, tenant)).fetchone()
            if found is not None and found[0] == cached.object.version:
                cached.epoch = epoch
                return cached.object
            self._cache.drop([(tenant, uid)])
        elif self._cache.is_missing(tenant, uid, epoch):
            return None
        row = self._read(sql.GET.sql, (uid, tenant)).fetchone()
        if row is None:
            self._cache.put_missing(tenant, uid, epoch)
            return None
        obj = decode(row)
        if len(row[9]) + len(row[12] or b"") <= CACHED_BYTES:
            self._cache.put(obj, epoch)
        return obj

    def view(
        self, tenant: str, uid: str, read: Callable[[ManagedObject], T | None], *, beside: str | None = None
    ) -> T | None:
        """As `get`: what `read`, a pure function and the same for every caller, makes of the committed object.

        It is kept beside the object for as long as that is the stored one.
        """
        obj = self.get(tenant, uid, beside=beside)
        if obj is None:
            return None
        entry = self._cache.entry(tenant, uid)
        if entry is None or entry.object is not obj:
            return read(obj)
        if entry.view is None:
            entry.view = read(obj)
        view: T | None = entry.view
        return view

    def holder(self, tenant: str, name: str) -> str | None:
        """The identifier of what holds the name now: the record of a CMK, or an object; None where nothing does."""
        row = self._read(sql.NAMED.sql, (tenant, name)).fetchone()
        if row is None:
            return None
        if len(self._holders) >= CACHED_OBJECTS:
            self._holders.clear()
        self._holders[tenant, name] = str(row[0])
        return self._holders[tenant, name]

    def last_holder(self, tenant: str, name: str) -> str | None:
        """What `holder` said when it was last asked: a hint, good if the object that it names has the name still."""
        return self._holders.get((tenant, name))

    def locate(self, query: LocateQuery, accept: Accept | None = None) -> list[str]:
        """Unique Identifiers, newest first; `accept` is asked before Offset and Maximum Items count.

        Raises KmsError for an attribute that cannot be searched by; never gives more than was asked for.
        """
        search = prepare(query)
        offset = query.offset_items
        limit = -1 if query.maximum_items is None else query.maximum_items
        if limit == 0 or not search.statuses:
            return []
        if search.uids or search.unindexed or accept is not None:
            found = []
            for obj in self._objects(search):
                if accept is not None and not accept(obj):
                    continue
                if offset > 0:
                    offset -= 1
                    continue
                found.append(obj.uid)
                if len(found) == limit:
                    break
            return found
        with self._reading() as connection:
            return [row[0] for row in select(connection, search, "uid", limit, offset)]

    def has_many_kinds(self, tenant: str) -> bool:
        """Whether a search of this tenant's may take longer than the event loop should wait: a client that varies what
        others leave alone, such as the usage masks of its keys, makes a kind with each object."""
        return bool(self._reader.execute(sql.MANY_KINDS.sql, (tenant, MANY_KINDS)).fetchone()[0] >= MANY_KINDS)

    def count(self, query: LocateQuery, accept: Accept | None = None) -> int:
        """Located Items: how many there are, whatever the query's Offset and Maximum Items."""
        search = prepare(query)
        if not search.statuses:
            return 0
        if search.uids or search.unindexed or accept is not None:
            return sum(1 for obj in self._objects(search) if accept is None or accept(obj))
        with self._reading() as connection:
            return count(connection, search)

    def overdue(self, tenant: str, now: int, most: int = 1000) -> list[ManagedObject]:
        """Objects that lifecycle.advance would change at `now` (POSIX seconds); hardly ever any, found in microseconds.

        Locate by State looks at what is stored: store these first, as advanced, where the answer must be exact.
        """
        rows = select(self._reader, overdue(tenant, now), "object", most)
        return [decode(row[: len(ObjectRow._fields)]) for row in rows]

    def _objects(self, search: Search) -> Iterator[ManagedObject]:
        """The matching objects, newest first, decoded one at a time as the caller asks for them."""
        with self._reading() as connection:
            if search.uids:
                row = connection.execute(sql.GET.sql, (search.uids[0], search.tenant)).fetchone()
                if row is not None and fulfils(search, obj := decode(row)):
                    yield obj
                return
            if search.within is not None:
                with closing(connection.execute(sql.WITHIN.sql, (search.tenant, search.within))) as identities:
                    for identity in identities:
                        row = connection.execute(sql.ROW.sql, identity).fetchone()
                        if row is not None and fulfils(search, obj := decode(row)):
                            yield obj
                return
            width = len(ObjectRow._fields)
            # A search left half-read would hold its snapshot, and with it the write-ahead log.
            with closing(select(connection, search, "object")) as rows:
                for row in rows:
                    # The version of this row says whether a copy in memory, however old, is the same.
                    kept = self._cache.peek(row[1], row[0])
                    obj = kept if kept is not None and kept.version == row[8] else decode(row[:width])
                    if not search.unindexed or fulfils(search, obj):
                        yield obj

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone; as many are kept as threads have read at once, since threads that
        come and go must not leave theirs behind."""
        if threading.get_ident() == self._thread:
            yield self._reader
            return
        try:
            connection = self._idle_readers.pop()
        except IndexError:
            connection = connect(self._path, read_only=True)
        try:
            yield connection
        finally:
            self._idle_readers.append(connection)

    def resident(self, tenant: str) -> dict[str, bytes]:
        """The objects whose material is a token object, each with its blob."""
        return {row[0]: bytes(row[1]) for row in self._reader.execute(sql.RESIDENT.sql, (tenant,)).fetchall()}

    def presence(self) -> Presence:
        """Held by each process that serves the store, until it ends."""
        return Presence(self._path.with_name(self._path.name + "-presence"))

    def leadership(self) -> FileLock:
        """What one process at a time holds who does the work of all: it is given back when its holder dies."""
        return FileLock(self._path.with_name(self._path.name + "-scheduler"))

    async def commit(self, work: UnitOfWork) -> None:
        """Return once all of it is durable; a unit of audit records alone goes the same way.

        Raises ConflictError (an updated object is no longer at its version), DuplicateNameError (a KmsError),
        ObjectTooLargeError (a KmsError),
        StoreError where nothing could be stored. Once handed to the writer the unit's outcome is awaited
        even by a cancelled task, so a change that was made is never taken for one that was not.
        """
        if not work:
            return
        await trio.lowlevel.checkpoint_if_cancelled()
        inserts = [_bounded(encode(obj, 1)) for obj in work.inserts]
        changes = [self._change(obj) for obj in work.updates]
        await self._writer.commit(Unit(inserts, changes, work.records))

    def record(self, records: Sequence[AuditRecord]) -> Awaitable[None]:
        """As `commit`, for audit records alone, and for those of a cancelled task, too. Raises StoreError."""
        return self._writer.commit(Unit((), (), records))

    def note(self, records: Sequence[AuditRecord]) -> None:
        """As `record`, for a command without an event loop: blocks, and not while `run` writes. Raises StoreError."""
        for refused in self._transactions.write([Unit((), (), records)]):
            if refused is not None:
                raise refused

    def _change(self, obj: ManagedObject) -> Change:
        before = self.get(obj.tenant, obj.uid)
        if before is None or before.version != obj.version:
            raise ConflictError(f"{obj.uid!r} changed meanwhile")
        return Change(encode(before, before.version), _bounded(encode(obj, obj.version + 1)))

    def audit_after(self, sequence: int, most: int = 1000) -> list[tuple[int, AuditRecord]]:
        """Up to `most` audit records after this sequence number, in order."""
        rows = self._reader.execute(sql.AUDIT_AFTER.sql, (sequence, most)).fetchall()
        return [(row[0], AuditRecord(*row[1:])) for row in rows]

    def load_tenant(self, name: str) -> TenantRow | None:
        with self._reading() as connection:
            row = connection.execute(sql.GET_TENANT.sql, (name,)).fetchone()
        return None if row is None else TenantRow(*row)

    def save_tenant(self, tenant: TenantRow) -> TenantRow:
        """Store a new tenant's key unless it has one, and return the one stored: of two workers one wins.

        Blocks: not on the event loop while `run` writes.
        """
        self._transactions.execute(sql.INSERT_TENANT.sql, (tenant.name, tenant.root, tenant.wrapped_key))
        stored = self.load_tenant(tenant.name)
        if stored is None:
            raise RuntimeError(f"tenant {tenant.name!r} was not stored")
        return stored
