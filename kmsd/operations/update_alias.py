"""Update Alias: from one CMK to another in one step; nobody finds it unbound."""

from __future__ import annotations

from kmsd.domain import cmk as cmks
from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, record_for
from kmsd.operations.context import Context
from protocol.operations.update_alias import UpdateAliasRequest, UpdateAliasResponse


async def handle(ctx: Context, request: UpdateAliasRequest) -> UpdateAliasResponse:
    alias = request.alias_name
    key_changes.check_alias(alias)
    source = record_for(ctx, alias)
    ctx.authorise(source)
    # Only the state of the key that it will name matters.
    target = load_cmk(ctx, request.unique_identifier, Call.UPDATE_ALIAS)
    if target.uid != source.uid:
        changes = key_changes.move_alias(cmks.from_object(source), target, alias)
        before, after = (cmks.to_object(cmk) for cmk in changes)
        ctx.authorise_names(source.names, before)
        ctx.authorise_names(target.aliases, after)
        ctx.save(before, after)
    return UpdateAliasResponse(unique_identifier=target.uid)
