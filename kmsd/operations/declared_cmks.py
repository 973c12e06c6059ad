"""CMKs that the configuration declares: made where they are not there, changed to what is declared, never deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial

import structlog

from kmsd.config.source import Place
from kmsd.domain import cmk as cmks
from kmsd.domain.cmk import Cmk
from kmsd.domain.declared_keys import Declaration, Difference, Kind, changed
from kmsd.domain.errors import KmsError
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.locate import LocateQuery
from kmsd.operations import create_cmk
from kmsd.operations.addressing import record_for, save_cmk
from kmsd.operations.context import Context
from kmsd.operations.declared import Problem
from kmsd.operations.key_versions import version, with_policy
from kmsd.operations.own_work import OwnWork
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


async def bring_cmks(
    own: OwnWork,
    services: Services,
    tenant: str,
    declarations: Mapping[str, Declaration],
    differences: Iterable[Difference],
) -> AsyncIterator[Problem]:
    """Bring the tenant's CMKs to what is declared. Yields what is declared otherwise than it is and never changes, and
    what cannot be made."""
    for difference in differences:
        place: Place = ("tenants", tenant, "cmks", difference.name)
        for alias in difference.taken:
            log.warning("declared alias names another key", tenant=tenant, cmk=difference.name, alias=alias)
        if difference.kind is Kind.IMPOSSIBLE:
            for change in difference.changes:
                yield (*place, change.field), f"the key has {change.before} and not {change.after}, which never changes"
        elif difference.kind is Kind.LEFT_ALONE:
            log.warning("declared key is pending deletion", tenant=tenant, cmk=difference.name, key=difference.uid)
        elif difference.kind in _DONE:
            name, operation, work = _DONE[difference.kind]
            bring = partial(work, declarations[difference.name], difference, services.tenants[tenant].policy.keys)
            try:
                await own.do(tenant, name, operation, bring)
            except KmsError as error:
                yield place, error.message


async def _create(declared: Declaration, difference: Difference, rules: KeyRules, ctx: Context) -> None:
    request = CreateCMKRequest(
        key_spec=declared.spec.name,
        key_usage=declared.usage.value,
        key_origin=declared.origin.value,
        key_protection=None if declared.protection is None else declared.protection.value,
        alias_names=tuple(alias for alias in declared.aliases if alias not in difference.taken),
        tags=tuple(KeyTag(tag_key=key, tag_value=value) for key, value in declared.tags or ()),
    )
    made = await create_cmk.handle(ctx, request)
    _bring(ctx, made.metadata.unique_identifier, declared, difference, rules)
    _say(ctx, "declared key made", difference)


async def _change(declared: Declaration, difference: Difference, rules: KeyRules, ctx: Context) -> None:
    _bring(ctx, difference.uid or "", declared, difference, rules)
    _say(ctx, "declared key changed", difference, fields=[change.field for change in difference.changes])


def _bring(ctx: Context, uid: str, declared: Declaration, difference: Difference, rules: KeyRules) -> None:
    ctx.touched[uid] = None
    before = cmks.from_object(record_for(ctx, uid))
    cmk = cmks.declared_as(changed(declared, before, difference, rules), declared.name)
    save_cmk(ctx, cmk)
    if cmk.primary is not None:
        ctx.save(with_policy(version(ctx, cmk.primary), cmk))


def _say(ctx: Context, event: str, difference: Difference, **more: object) -> None:
    """Log it, once it is stored."""
    said = partial(log.info, event, tenant=ctx.tenant.name, name=difference.name, **more)
    ctx.batch.postpone(said)


_DONE = {
    Kind.CREATE: ("CREATE_CMK", vendor.CREATE_CMK, _create),
    Kind.CHANGE: (CHANGE, vendor.UPDATE_CMK_DESCRIPTION, _change),
}
"""What is done about a difference: its name in the audit, the operation, the work."""
