"""Untag CMK: the tags named, or all."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.untag_cmk import UntagCMKRequest, UntagCMKResponse


async def handle(ctx: Context, request: UntagCMKRequest) -> UntagCMKResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.UNTAG_RESOURCE)
    save_cmk(ctx, key_changes.untag(cmk, [key for key, _ in cmk.tags] if request.all_tags else request.tag_keys))
    return UntagCMKResponse(unique_identifier=cmk.uid)
