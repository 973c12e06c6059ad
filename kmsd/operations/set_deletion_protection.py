"""Set Deletion Protection: a protected CMK is not scheduled for deletion."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.set_deletion_protection import SetDeletionProtectionRequest, SetDeletionProtectionResponse


async def handle(ctx: Context, request: SetDeletionProtectionRequest) -> SetDeletionProtectionResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.SET_DELETION_PROTECTION)
    save_cmk(
        ctx,
        key_changes.set_deletion_protection(cmk, request.deletion_protection, request.deletion_protection_description),
    )
    return SetDeletionProtectionResponse(unique_identifier=cmk.uid)
