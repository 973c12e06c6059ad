"""Create Alias: another name of a CMK, unique in the tenant."""

from __future__ import annotations

from kmsd.domain import cmk as cmks
from kmsd.domain import key_changes
from kmsd.domain.errors import KmsError
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, record_named
from kmsd.operations.context import Context
from kmsd.operations.key_answers import check_alias_quota
from protocol.enums import ResultReason
from protocol.operations.create_alias import CreateAliasRequest, CreateAliasResponse


async def handle(ctx: Context, request: CreateAliasRequest) -> CreateAliasResponse:
    alias = request.alias_name
    cmk = load_cmk(ctx, request.unique_identifier, Call.CREATE_ALIAS)
    changed = cmks.to_object(key_changes.add_alias(cmk, alias))
    ctx.authorise_names(cmk.aliases, changed)
    if record_named(ctx, alias) is not None:
        raise KmsError(ResultReason.NON_UNIQUE_NAME_ATTRIBUTE, f"the alias {alias!r} is in use")
    check_alias_quota(ctx, 1)
    ctx.save(changed)
    return CreateAliasResponse(unique_identifier=cmk.uid)
