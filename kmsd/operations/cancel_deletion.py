"""Cancel Deletion: the CMK stays."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.cancel_deletion import CancelDeletionRequest, CancelDeletionResponse


async def handle(ctx: Context, request: CancelDeletionRequest) -> CancelDeletionResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.CANCEL_KEY_DELETION)
    save_cmk(ctx, key_changes.cancel_deletion(cmk, ctx.tenant.policy.keys))
    return CancelDeletionResponse(unique_identifier=cmk.uid)
