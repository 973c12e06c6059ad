"""Disable CMK: refused by the very next request; what is public about it is still served."""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.disable_cmk import DisableCMKRequest, DisableCMKResponse


async def handle(ctx: Context, request: DisableCMKRequest) -> DisableCMKResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.DISABLE_KEY)
    save_cmk(ctx, replace(cmk, enabled=False))
    return DisableCMKResponse(unique_identifier=cmk.uid)
