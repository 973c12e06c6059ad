"""Schedule Deletion: unusable at once, destroyed at the date, and until then it can be cancelled."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.schedule_deletion import ScheduleDeletionRequest, ScheduleDeletionResponse


async def handle(ctx: Context, request: ScheduleDeletionRequest) -> ScheduleDeletionResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.SCHEDULE_KEY_DELETION)
    cmk = key_changes.schedule_deletion(cmk, request.pending_window_days, ctx.now, ctx.tenant.policy.keys)
    save_cmk(ctx, cmk)
    return ScheduleDeletionResponse(unique_identifier=cmk.uid, deletion_date=cmk.deletion_date or 0)
