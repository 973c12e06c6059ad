"""What one request changes: all of it is stored, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kmsd.domain.objects import ManagedObject
from kmsd.domain.records import AuditRecord


class UnitOfWork:
    """Changes collected by one request; nothing is stored before `Store.commit` has it.

    The last state given of an object counts, so the items of a batch may change what an earlier one made.
    """

    __slots__ = ("_inserts", "_records", "_updates")

    def __init__(self, records: Iterable[AuditRecord] = ()) -> None:
        self._inserts: dict[str, ManagedObject] = {}
        self._updates: dict[str, ManagedObject] = {}
        self._records: list[AuditRecord] = list(records)

    def insert(self, obj: ManagedObject) -> None:
        """Store a new object, as version 1."""
        if obj.version != 0 or obj.uid in self._updates:
            raise ValueError(f"{obj.uid!r} is stored already")
        self._inserts[obj.uid] = obj

    def update(self, obj: ManagedObject) -> None:
        """Store a changed object as version `obj.version` + 1, if that version is the stored one."""
        if obj.uid in self._inserts:
            self._inserts[obj.uid] = obj
            return
        if obj.version < 1:
            raise ValueError(f"{obj.uid!r} was never stored")
        earlier = self._updates.get(obj.uid)
        if earlier is not None and earlier.version != obj.version:
            raise ValueError(f"{obj.uid!r}: two versions in one unit")
        self._updates[obj.uid] = obj

    def audit(self, record: AuditRecord) -> None:
        self._records.append(record)

    def pending(self, uid: str) -> ManagedObject | None:
        """The state given so far, which no one else sees yet."""
        return self._inserts.get(uid) or self._updates.get(uid)

    @property
    def inserts(self) -> Collection[ManagedObject]:
        return self._inserts.values()

    @property
    def updates(self) -> Collection[ManagedObject]:
        return self._updates.values()

    @property
    def records(self) -> list[AuditRecord]:
        return self._records

    def __bool__(self) -> bool:
        return bool(self._inserts or self._updates or self._records)
