"""Set Version Enabled: one version of a CMK out of use, such as one that has leaked, and back."""

from __future__ import annotations

from kmsd.domain import cmk as cmks
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_versions import objects_of
from protocol.enums import ResultReason
from protocol.operations.set_version_enabled import SetVersionEnabledRequest, SetVersionEnabledResponse


async def handle(ctx: Context, request: SetVersionEnabledRequest) -> SetVersionEnabledResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.SET_VERSION_ENABLED)
    found = [key for key in objects_of(ctx, cmk) if cmks.number_of(key) == request.version_number]
    if not found:
        raise invalid_field(f"the versions of the key are 1 to {cmk.versions}")
    if request.version_number == cmk.versions and not request.version_enabled:
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "the primary stays in use: rotate the key first, or disable it")
    ctx.save(*(cmks.with_version_disabled(key, not request.version_enabled) for key in found))
    # A rotation at the same moment must not make what is disabled here the version before the primary unseen.
    save_cmk(ctx, cmk)
    return SetVersionEnabledResponse(unique_identifier=cmk.uid)
