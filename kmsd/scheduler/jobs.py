"""What is due, and doing it: each CMK in a unit of work of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from kmsd.domain import cmk as cmks
from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import KmsError
from kmsd.domain.locate import LocateQuery
from kmsd.operations import addressing, key_end, key_versions, own_work
from kmsd.operations.context import Context
from kmsd.operations.due import store_reached
from kmsd.operations.services import Services
from kmsd.storage.errors import ConflictError
from protocol import vendor
from protocol.enums import Operation

log = structlog.get_logger("kmsd.scheduler")

SCHEDULER = "scheduler"
"""Who does it, in the audit."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that is done with a CMK; `name` is what the audit calls it."""

    name: str
    operation: Operation
    work: Callable[[Context, Cmk], Awaitable[object]]


DELETE = Job("DELETE_CMK", vendor.SCHEDULE_DELETION, key_end.delete)
EXPIRE = Job("EXPIRE_KEY_MATERIAL", vendor.SCHEDULE_DELETION, key_end.drop_material)
ROTATE = Job("ROTATE_CMK", vendor.ROTATE_CMK, key_versions.rotate)


async def run_due(services: Services, tenant: str) -> int:
    """Do all that is due for the tenant, and return how many CMKs were changed.

    What fails is logged and audited, and due again next time; it keeps nothing else from being done. An overdue
    rotation is one rotation, however many intervals have passed.
    """
    now = int(services.clock())
    await store_reached(services, tenant, now)
    done = 0
    for uid in due(services, tenant, now):
        try:
            done += await _run(services, tenant, uid, now)
        except ConflictError:
            # A client has changed the key at this moment: what is due then, the next look tells.
            log.info("put off: the key is being changed", tenant=tenant, key=uid)
        except KmsError as error:
            log.error("not done", tenant=tenant, key=uid, reason=error.reason.name, cause=error.message)
    return done


def due(services: Services, tenant: str, now: int) -> list[str]:
    """The CMKs with which something is to be done by `now` (POSIX seconds)."""
    span = (cmks.NEXT_EVENT.attribute(0), cmks.NEXT_EVENT.attribute(now))
    return services.store.locate(LocateQuery(tenant, span, records=True))


async def _run(services: Services, tenant: str, uid: str, now: int) -> int:
    record = services.store.get(tenant, uid)
    job = what_is_due(cmks.from_object(record), now) if record is not None else None
    if job is None:
        return 0

    async def work(ctx: Context) -> None:
        # The record that has just been looked at: no other task has run in between.
        ctx.touched[uid] = None
        await job.work(ctx, cmks.from_object(addressing.record_for(ctx, uid)))

    await own_work.do(services, tenant, SCHEDULER, job.name, job.operation, work)
    log.info("done", what=job.name, tenant=tenant, key=uid)
    return 1


def what_is_due(cmk: Cmk, now: int) -> Job | None:
    """The one thing that is to be done with the CMK first; None for nothing."""
    if cmk.next_event is None or cmk.next_event > now:
        return None
    dates: Mapping[Job, int | None] = {
        DELETE: cmk.deletion_date,
        EXPIRE: cmk.material_expires if cmk.has_material else None,
    }
    return next((job for job, date in dates.items() if date is not None and date <= now), ROTATE)
