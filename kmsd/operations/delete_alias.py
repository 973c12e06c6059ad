"""Delete Alias: the CMK stays as it is."""

from __future__ import annotations

from kmsd.domain import cmk as cmks
from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from protocol.operations.delete_alias import DeleteAliasRequest, DeleteAliasResponse


async def handle(ctx: Context, request: DeleteAliasRequest) -> DeleteAliasResponse:
    key_changes.check_alias(request.alias_name)
    cmk = load_cmk(ctx, request.alias_name, Call.DELETE_ALIAS, by_alias=True)
    changed = cmks.to_object(key_changes.drop_alias(cmk, request.alias_name))
    ctx.authorise_names(cmk.aliases, changed)
    ctx.save(changed)
    return DeleteAliasResponse(unique_identifier=cmk.uid)
