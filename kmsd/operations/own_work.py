"""What the server does by itself: units of work with their audit records, as for a client, and in nobody's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.policy import Grants, Permission
from kmsd.domain.records import AuditRecord
from kmsd.operations.batch import Batch
from kmsd.operations.context import Context
from kmsd.operations.effects import run_all
from kmsd.operations.services import Services
from kmsd.storage.work import UnitOfWork
from protocol.enums import Operation, ResultStatus
from protocol.versions import V2_1

Work = Callable[[Context], Awaitable[None]]


class OwnWork:
    """Pieces of work, of any number of tenants, that are stored together or not at all."""

    def __init__(self, services: Services, client: str) -> None:
        """As `client`, which is no client of any tenant's, and may do everything."""
        self._services = services
        self._client = client
        self._now = int(services.clock())
        self._batches: dict[str, Batch] = {}
        self._done: list[AuditRecord] = []
        self._failed: list[AuditRecord] = []

    async def do(self, tenant: str, name: str, operation: Operation, work: Work) -> None:
        """Do one piece; nothing is stored yet. `name` is what the audit calls it, also where it fails.

        Raises what the work raises. Whatever that is, `commit` or `take_back` must follow.
        """
        context = Context(self._batch(tenant), operation)
        try:
            await work(context)
            context.keep()
        except KmsError as error:
            self._failed.append(self._record(context, name, error))
            raise
        self._done.append(self._record(context, name, None))

    async def commit(self) -> None:
        """Store all of it. Raises ConflictError (another request was faster), KmsError (a name in use) and StoreError:
        then nothing has happened."""
        unit = UnitOfWork(self._done)
        for batch in self._batches.values():
            for changed in batch.pending.values():
                (unit.update if changed.version else unit.insert)(changed)
        try:
            await self._services.store.commit(unit)
        except KmsError as error:
            failed = ResultStatus.OPERATION_FAILED.name
            self._failed += [record._replace(result=failed, reason=error.reason.name) for record in self._done]
            await self.take_back()
            raise
        except BaseException:
            await self._roll_back()
            raise
        for tenant, batch in self._batches.items():
            await run_all(batch.after_commit, "not finished after its commit", tenant)

    async def take_back(self) -> None:
        """Nothing has happened; the audit keeps what failed."""
        await self._roll_back()
        await self._services.store.commit(UnitOfWork(self._failed))

    async def _roll_back(self) -> None:
        for tenant, batch in self._batches.items():
            await run_all(batch.on_rollback[::-1], "not taken back", tenant)

    def _batch(self, tenant: str) -> Batch:
        if tenant not in self._batches:
            self._batches[tenant] = Batch(
                services=self._services,
                tenant=self._services.tenants[tenant],
                identity=Identity(tenant, self._client, ()),
                grants=Grants([Permission(None)]),
                version=V2_1,
                now=self._now,
            )
        return self._batches[tenant]

    def _record(self, context: Context, name: str, error: KmsError | None) -> AuditRecord:
        status = ResultStatus.SUCCESS if error is None else ResultStatus.OPERATION_FAILED
        return AuditRecord(
            time=int(self._services.clock() * 1_000_000),
            tenant=context.tenant.name,
            client=self._client,
            address="",
            operation=name,
            uid=next(iter(context.touched), None),
            result=status.name,
            reason=None if error is None else error.reason.name,
        )


async def do(services: Services, tenant: str, client: str, name: str, operation: Operation, work: Work) -> None:
    """Do one piece of work, and store it.

    Raises what the work raises, ConflictError (another request was faster: nothing has happened), and StoreError.
    """
    own = OwnWork(services, client)
    try:
        await own.do(tenant, name, operation, work)
    except BaseException:
        await own.take_back()
        raise
    await own.commit()
