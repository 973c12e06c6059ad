"""Update CMK Description."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.update_cmk_description import UpdateCMKDescriptionRequest, UpdateCMKDescriptionResponse


async def handle(ctx: Context, request: UpdateCMKDescriptionRequest) -> UpdateCMKDescriptionResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.UPDATE_KEY_DESCRIPTION)
    save_cmk(ctx, key_changes.describe(cmk, request.description))
    return UpdateCMKDescriptionResponse(unique_identifier=cmk.uid)
