"""Decoded objects, bounded: only ever copies of committed state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kmsd.domain.objects import ManagedObject


@dataclass(slots=True)
class CachedObject:
    """`epoch` is that of `Epoch.now` in which the copy was last known to be the stored state."""

    object: ManagedObject
    epoch: int | None
    view: Any = None
    """What `Store.view` has made of the object."""


class ObjectCache:
    """The least recently used go first. Used by one thread, but for `peek`."""

    __slots__ = ("_entries", "_limit", "_missing")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[tuple[str, str], CachedObject] = OrderedDict()
        self._missing: tuple[int | None, set[tuple[str, str]]] = (None, set())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, tenant: str, uid: str) -> CachedObject | None:
        key = (tenant, uid)
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def peek(self, tenant: str, uid: str) -> ManagedObject | None:
        """A copy of some version, without counting as a use; from any thread."""
        entry = self._entries.get((tenant, uid))
        return None if entry is None else entry.object

    def entry(self, tenant: str, uid: str) -> CachedObject | None:
        """As `get`, without counting as a use."""
        return self._entries.get((tenant, uid))

    def put(self, obj: ManagedObject, epoch: int | None) -> None:
        if self._limit == 0:
            return
        key = (obj.tenant, obj.uid)
        self._entries[key] = CachedObject(obj, epoch)
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def is_missing(self, tenant: str, uid: str, epoch: int | None) -> bool:
        """Whether it is known that there is no such object in this epoch."""
        known, keys = self._missing
        return epoch is not None and known == epoch and (tenant, uid) in keys

    def put_missing(self, tenant: str, uid: str, epoch: int | None) -> None:
        if self._missing[0] != epoch or len(self._missing[1]) >= self._limit:
            self._missing = (epoch, set())
        self._missing[1].add((tenant, uid))

    def drop(self, keys: Iterable[tuple[str, str]]) -> None:
        """Know nothing more of these, given as tenant and Unique Identifier, not even that they are missing."""
        _, missing = self._missing
        for key in keys:
            self._entries.pop(key, None)
            missing.discard(key)

    def clear(self) -> None:
        self._entries.clear()
        self._missing = (None, set())
