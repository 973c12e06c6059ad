"""Dates that have come are written down: Locate by State finds what is stored (KMIP 1.4 §3.22, 4 and 6)."""

from __future__ import annotations

from collections.abc import Collection

from kmsd.domain import lifecycle
from kmsd.domain.errors import KmsError
from kmsd.domain.records import AuditRecord
from kmsd.operations.services import Services
from kmsd.storage.errors import ConflictError
from kmsd.storage.work import UnitOfWork
from protocol.enums import ResultReason

SERVER = "server"
"""Who changes a state by the clock, in the audit."""
OPERATION = "ADVANCE"
"""What the audit calls it; the state reached is in the record's detail."""

_AT_ONCE = 500
_ATTEMPTS = 32


async def store_reached(services: Services, tenant: str, now: int, besides: Collection[str] = ()) -> None:
    """Store every object of the tenant whose state has changed by `now` (POSIX seconds), but for those in `besides`,
    which a request holds changes of.

    Hardly ever is there any, and finding that out takes microseconds. Raises KmsError General Failure where other
    requests are faster again and again.
    """
    conflicts = 0
    while conflicts < _ATTEMPTS:
        due = services.store.overdue(tenant, now, _AT_ONCE + len(besides))
        reached = [lifecycle.advance(key, now) for key in due if key.uid not in besides]
        if not reached:
            return
        work = UnitOfWork()
        for key in reached:
            work.update(key.set("Last Change Date", now))
            work.audit(
                AuditRecord(
                    time=int(services.clock() * 1_000_000),
                    tenant=tenant,
                    client=SERVER,
                    address="",
                    operation=OPERATION,
                    uid=key.uid,
                    result="SUCCESS",
                    detail=key.state.name if key.state is not None else None,
                )
            )
        try:
            await services.store.commit(work)
        except ConflictError:
            conflicts += 1
    raise KmsError(ResultReason.GENERAL_FAILURE, "objects are being changed by others, try again")
