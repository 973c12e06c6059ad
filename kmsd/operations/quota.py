"""How many objects each tenant has, without counting them for every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kmsd.domain.locate import LocateQuery
from kmsd.storage.store import Store
from protocol.enums import StorageStatusMask

RECOUNT_AFTER = 60.0
"""Seconds: other processes make objects too, and destroyed ones leave the quota at the next count."""

_KEPT = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE


@dataclass(slots=True)
class _Count:
    objects: int
    counted: float


class ObjectCounts:
    """The tenants' objects that are not destroyed: counted now and then, and each new one added at once."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[tuple[str, bool], _Count] = {}

    def reserve(self, tenant: str, number: int, maximum: int, *, records: bool = False) -> Callable[[], None] | None:
        """Count `number` more objects, or with `records` CMKs: a call that gives them back, or None where they would
        be more than `maximum`."""
        now = self._clock()
        count = self._counts.get((tenant, records))
        if count is None or now - count.counted > RECOUNT_AFTER or count.objects + number > maximum:
            query = LocateQuery(tenant, storage_status_mask=_KEPT, records=records)
            count = self._counts[tenant, records] = _Count(self._store.count(query), now)
        if count.objects + number > maximum:
            return None
        count.objects += number
        return partial(_give_back, count, number)


def _give_back(count: _Count, number: int) -> None:
    # Of the count that they were reserved in: a later one has never seen them.
    count.objects -= number
