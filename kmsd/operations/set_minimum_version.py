"""Set Minimum Version: older versions decrypt and verify no more, until it is lowered again."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from protocol.operations.set_minimum_version import SetMinimumVersionRequest, SetMinimumVersionResponse


async def handle(ctx: Context, request: SetMinimumVersionRequest) -> SetMinimumVersionResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.SET_MINIMUM_VERSION)
    save_cmk(ctx, key_changes.set_minimum_version(cmk, request.minimum_version))
    return SetMinimumVersionResponse(unique_identifier=cmk.uid)
