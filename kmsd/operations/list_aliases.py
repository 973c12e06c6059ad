"""List Aliases: of one CMK or of all that the client may see, by name."""

from __future__ import annotations

from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_answers import page, visible_cmks
from protocol.key_service import Alias
from protocol.operations.list_aliases import ListAliasesRequest, ListAliasesResponse


async def handle(ctx: Context, request: ListAliasesRequest) -> ListAliasesResponse:
    if request.unique_identifier is None:
        found = visible_cmks(ctx)
    else:
        found = [load_cmk(ctx, request.unique_identifier, Call.LIST_ALIASES)]
    aliases = sorted((alias, cmk.uid) for cmk in found for alias in cmk.aliases)
    shown = page(aliases, request.maximum_items, request.offset_items)
    return ListAliasesResponse(
        located_items=len(aliases),
        aliases=tuple(Alias(alias_name=alias, unique_identifier=uid) for alias, uid in shown),
    )
