"""Rotate CMK: a new version is the primary from now on; what the others protected they still process."""

from __future__ import annotations

from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_versions import rotate
from protocol.operations.rotate_cmk import RotateCMKRequest, RotateCMKResponse


async def handle(ctx: Context, request: RotateCMKRequest) -> RotateCMKResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.CREATE_KEY_VERSION)
    cmk, made = await rotate(ctx, cmk)
    return RotateCMKResponse(unique_identifier=cmk.uid, primary_version=made[0].uid, version_number=cmk.versions)
