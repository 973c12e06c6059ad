"""What the server does by itself: one unit of work with its audit record, as for a client, and in nobody's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
import trio

from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.policy import Grants, Permission
from kmsd.domain.records import AuditRecord
from kmsd.operations.context import Batch, Context
from kmsd.operations.services import Services
from kmsd.storage.work import UnitOfWork
from protocol.enums import Operation, ResultStatus
from protocol.versions import V2_1

log = structlog.get_logger("kmsd.own_work")

Work = Callable[[Context], Awaitable[None]]


async def do(services: Services, tenant: str, client: str, name: str, operation: Operation, work: Work) -> None:
    """Do the work as `client` (no client of the tenant's, and one that may do everything), and commit it.

    `name` is what the audit calls it, also where it fails. Raises what the work raises, ConflictError (another
    request was faster: nothing has happened), and StoreError.
    """
    batch = Batch(
        services=services,
        tenant=services.tenants[tenant],
        identity=Identity(tenant, client, ()),
        grants=Grants([Permission(None)]),
        version=V2_1,
        now=int(services.clock()),
    )
    context = Context(batch, operation)
    try:
        await work(context)
        context.keep()
        unit = UnitOfWork()
        for changed in batch.pending.values():
            (unit.update if changed.version else unit.insert)(changed)
        unit.audit(_record(context, client, name, ResultStatus.SUCCESS.name, None))
        await services.store.commit(unit)
    except KmsError as error:
        await _all(batch.on_rollback)
        failed = _record(context, client, name, ResultStatus.OPERATION_FAILED.name, error.reason.name)
        await services.store.commit(UnitOfWork([failed]))
        raise
    except BaseException:
        await _all(batch.on_rollback)
        raise
    await _all(batch.after_commit)


def _record(context: Context, client: str, name: str, result: str, reason: str | None) -> AuditRecord:
    return AuditRecord(
        time=int(context.services.clock() * 1_000_000),
        tenant=context.tenant.name,
        client=client,
        address="",
        operation=name,
        uid=next(iter(context.touched), None),
        result=result,
        reason=reason,
    )


async def _all(calls: list[Callable[[], None]]) -> None:
    """Each of the calls, whatever becomes of the others: what they concern is decided."""
    if not calls:
        return

    def run() -> None:
        for call in calls:
            try:
                call()
            except Exception:
                log.exception("not finished after its commit, or not taken back")

    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(run)
