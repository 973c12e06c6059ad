"""CMKs that the configuration declares: made where they are not there, changed to what is declared, never deleted."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain import cmk as cmks
from kmsd.domain.cmk import Cmk
from kmsd.domain.declared_keys import Declaration, Difference, Kind, changed, plan
from kmsd.domain.errors import KmsError
from kmsd.domain.locate import LocateQuery
from kmsd.operations import create_cmk, own_work
from kmsd.operations.addressing import record_for, save_cmk
from kmsd.operations.context import Context
from kmsd.operations.declared import CONFIGURATION, DeclarationError
from kmsd.operations.key_versions import version, with_policy
from kmsd.operations.services import Services
from kmsd.storage.store import Store
from protocol import vendor
from protocol.key_service import KeyTag
from protocol.operations.create_cmk import CreateCMKRequest

log = structlog.get_logger("kmsd.declared")

CHANGE = "CHANGE_DECLARED_CMK"
"""What the audit calls a change of several properties at once."""


def stored_cmks(store: Store, tenant: str) -> list[Cmk]:
    """The CMKs of a tenant that are not deleted."""
    found = (store.get(tenant, uid) for uid in store.locate(LocateQuery(tenant, records=True)))
    return [cmks.from_object(record) for record in found if record is not None]


async def apply_declared(services: Services, tenants: Mapping[str, TenantSettings]) -> None:
    """Bring the CMKs to what is declared; those of tenants that are not served yet wait for the next start.

    Raises DeclarationError: what a key is made of is declared otherwise, or it cannot be made.
    """
    for tenant, settings in tenants.items():
        if tenant not in services.tenants:
            continue
        declarations = settings.declarations
        for difference in plan(declarations, stored_cmks(services.store, tenant)):
            try:
                await _apply(services, tenant, declarations.get(difference.name), difference)
            except KmsError as error:
                raise DeclarationError(f"tenant {tenant}: cmk {difference.name}: {error.message}") from error


async def _apply(services: Services, tenant: str, declared: Declaration | None, difference: Difference) -> None:
    for alias in difference.taken:
        log.warning("declared alias names another key", tenant=tenant, cmk=difference.name, alias=alias)
    if difference.kind is Kind.IMPOSSIBLE:
        what = ", ".join(f"{change.field} {change.before} and not {change.after}" for change in difference.changes)
        raise DeclarationError(f"tenant {tenant}: cmk {difference.name} has {what}, which never changes")
    if difference.kind is Kind.LEFT_ALONE:
        log.warning("declared key is pending deletion", tenant=tenant, cmk=difference.name, key=difference.uid)
    if declared is None or difference.kind not in (Kind.CREATE, Kind.CHANGE):
        return
    rules = services.tenants[tenant].policy.keys

    async def create(ctx: Context) -> None:
        request = CreateCMKRequest(
            key_spec=declared.spec.name,
            key_usage=declared.usage.value,
            key_origin=declared.origin.value,
            key_protection=declared.protection.value,
            alias_names=tuple(alias for alias in declared.aliases if alias not in difference.taken),
            tags=tuple(KeyTag(tag_key=key, tag_value=value) for key, value in declared.tags or ()),
        )
        made = await create_cmk.handle(ctx, request)
        await change(ctx, made.metadata.unique_identifier)

    async def change(ctx: Context, uid: str) -> None:
        ctx.touched[uid] = None
        before = cmks.from_object(record_for(ctx, uid))
        cmk = cmks.declared_as(changed(declared, before, difference, rules), declared.name)
        save_cmk(ctx, cmk)
        if cmk.primary is not None:
            ctx.save(with_policy(version(ctx, cmk.primary), cmk))

    async def change_present(ctx: Context) -> None:
        await change(ctx, difference.uid or "")

    if difference.kind is Kind.CREATE:
        await own_work.do(services, tenant, CONFIGURATION, "CREATE_CMK", vendor.CREATE_CMK, create)
        log.info("declared key made", tenant=tenant, name=difference.name)
    else:
        await own_work.do(services, tenant, CONFIGURATION, CHANGE, vendor.UPDATE_CMK_DESCRIPTION, change_present)
        fields = [change.field for change in difference.changes]
        log.info("declared key changed", tenant=tenant, name=difference.name, fields=fields)
