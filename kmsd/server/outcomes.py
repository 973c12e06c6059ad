"""What becomes of a batch's changes: stored together with their audit records, or taken back.

An answer leaves only after its record is in the store. Where the store does not take it, nothing has happened, and
that is what the client hears.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog

from kmsd.audit import record_of
from kmsd.domain.errors import KmsError, render
from kmsd.domain.objects import ManagedObject
from kmsd.domain.records import AuditRecord, Origin
from kmsd.operations.batch import Batch
from kmsd.operations.effects import run_all
from kmsd.operations.services import Services
from kmsd.storage.errors import ConflictError
from kmsd.storage.work import UnitOfWork
from protocol.enums import ResultReason, ResultStatus
from protocol.message import ResponseBatchItem

log = structlog.get_logger("kmsd.outcomes")

_RESULTS = {status: status.name for status in ResultStatus}
"""What the audit calls them. Looking into this costs a tenth of asking the member for its name."""


class Outcomes:
    """Commits and takes back; one for the process."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def record(self, origin: Origin, operation: str, answer: ResponseBatchItem, uids: Collection[str]) -> AuditRecord:
        """The audit record of one item and its answer; `uids` in order of importance."""
        reason = answer.result_reason
        return record_of(
            int(self._services.clock() * 1_000_000),
            origin,
            operation,
            _RESULTS[answer.result_status],
            None if reason is None else reason.name,
            uids,
        )

    async def commit(self, batch: Batch, records: list[AuditRecord]) -> None:
        """Store the pending changes of the batch with these records, then do what may only follow.

        Raises ConflictError (decide again), KmsError (a name in use, an object too large, or General Failure where
        the store does not work): then nothing is stored.
        """
        store = self._services.store
        events: list[tuple[ManagedObject | None, ManagedObject]] = []
        try:
            if batch.pending:
                work = UnitOfWork(records)
                events = self._events(batch)
                for key in batch.pending.values():
                    if key.version == 0:
                        work.insert(key)
                    else:
                        work.update(key)
                await store.commit(work)
            else:
                await store.record(records)
        except (ConflictError, KmsError):
            raise
        except Exception as error:
            log.error("not stored", tenant=batch.tenant.name, traceback=render(error))
            raise KmsError(ResultReason.GENERAL_FAILURE, "the server could not store this: nothing was done") from error
        batch.pending.clear()
        batch.on_rollback.clear()
        if events and self._services.watcher is not None:
            self._services.watcher.happened(batch.tenant.name, events)
        if batch.after_commit:
            effects, batch.after_commit = batch.after_commit, []
            await run_all(effects, "not finished after its commit", batch.tenant.name)

    def _events(self, batch: Batch) -> list[tuple[ManagedObject | None, ManagedObject]]:
        """The objects of the tenant before and after this commit, where somebody watches them."""
        watcher, tenant = self._services.watcher, batch.tenant.name
        if watcher is None or not watcher.watches(tenant):
            return []
        store = self._services.store
        changed = [key for key in batch.pending.values() if key.tenant == tenant]
        return [(store.get(tenant, key.uid) if key.version else None, key) for key in changed]

    async def take_back(self, batch: Batch, since: Mark | None = None) -> None:
        """Forget the changes of the batch that are not stored, or those since a mark, and what providers made for
        them. A cancelled task does so, too."""
        if since is None:
            batch.pending.clear()
            since = Mark(0, 0)
        del batch.after_commit[since.after_commit :]
        # The latest first: each finds what it found when it was done.
        effects = batch.on_rollback[since.on_rollback :][::-1]
        del batch.on_rollback[since.on_rollback :]
        await run_all(effects, "not taken back", batch.tenant.name)

    async def note(self, records: list[AuditRecord]) -> None:
        """Store records of what was refused; a store that does not work must not hide the refusal."""
        try:
            await self._services.store.record(records)
        except Exception as error:
            log.error("not audited", records=[record._asdict() for record in records], traceback=render(error))


class Mark:
    """Where a batch's lists of effects ended at some time."""

    __slots__ = ("after_commit", "on_rollback")

    def __init__(self, after_commit: int, on_rollback: int) -> None:
        self.after_commit = after_commit
        self.on_rollback = on_rollback

    @classmethod
    def of(cls, batch: Batch) -> Mark:
        return cls(len(batch.after_commit), len(batch.on_rollback))
