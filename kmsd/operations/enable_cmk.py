"""Enable CMK: usable again, and rotated again; an overdue rotation then runs at once."""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.enable_cmk import EnableCMKRequest, EnableCMKResponse


async def handle(ctx: Context, request: EnableCMKRequest) -> EnableCMKResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.ENABLE_KEY)
    save_cmk(ctx, replace(cmk, enabled=True))
    return EnableCMKResponse(unique_identifier=cmk.uid)
