"""Locate: KMIP 1.4 §4.9, 2.1 §6.1.28. Every attribute asked for is honoured; newest first."""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain import attribute_rules
from kmsd.domain.errors import invalid_field
from kmsd.domain.locate import LocateQuery
from kmsd.operations import addressing, cmk_attributes
from kmsd.operations.context import Context
from kmsd.operations.due import store_reached
from protocol.enums import ObjectGroupMember
from protocol.operations.locate import LocateRequest, LocateResponse


async def handle(ctx: Context, request: LocateRequest) -> LocateResponse:
    if (request.maximum_items or 0) < 0 or (request.offset_items or 0) < 0:
        raise invalid_field("Maximum Items and Offset Items are not negative")
    attribute_rules.check_asked(request.attributes)
    conditions = addressing.by_alias(ctx, request.attributes)
    if conditions is None:
        ctx.give()
        return LocateResponse(located_items=0, unique_identifiers=())
    conditions, accept = cmk_attributes.accepting(ctx, conditions)
    query = LocateQuery(
        tenant=ctx.tenant.name,
        conditions=conditions,
        maximum_items=request.maximum_items,
        offset_items=request.offset_items or 0,
        storage_status_mask=request.storage_status_mask,
        object_group_member=request.object_group_member,
    )
    if any(attribute.key == "State" for attribute in request.attributes):
        await store_reached(ctx.services, ctx.tenant.name, ctx.now, ctx.batch.pending)
    if query.object_group_member is None:
        page, total = await ctx.locate(query, accept)
    else:
        page, total = await _group_members(ctx, query, accept)
    # KMIP 1.4 §4.9: more than one match empties the ID Placeholder, so that a batch goes on with a single object.
    ctx.give(*page)
    return LocateResponse(located_items=total, unique_identifiers=tuple(page))


async def _group_members(
    ctx: Context, query: LocateQuery, accept: cmk_attributes.Accept | None
) -> tuple[list[str], int]:
    """A group's fresh objects are a queue: the first made is the first given. Its default object, which KMIP 1.4 §4.9
    leaves to the server's policy, is the oldest."""
    found, _ = await ctx.locate(replace(query, maximum_items=None, offset_items=0), accept)
    found = found[::-1]
    if query.object_group_member == ObjectGroupMember.GROUP_MEMBER_DEFAULT:
        found = found[:1]
    stop = None if query.maximum_items is None else query.offset_items + query.maximum_items
    return found[query.offset_items : stop], len(found)
