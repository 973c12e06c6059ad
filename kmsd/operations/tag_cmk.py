"""Tag CMK: new tags, and new values of those it has."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.tag_cmk import TagCMKRequest, TagCMKResponse


async def handle(ctx: Context, request: TagCMKRequest) -> TagCMKResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.TAG_RESOURCE)
    save_cmk(ctx, key_changes.tag(cmk, ((tag.tag_key, tag.tag_value) for tag in request.tags)))
    return TagCMKResponse(unique_identifier=cmk.uid)
