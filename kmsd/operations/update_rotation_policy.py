"""Update Rotation Policy: whether and how often the scheduler rotates a CMK."""

from __future__ import annotations

from kmsd.domain import key_changes
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_versions import version, with_policy
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest, UpdateRotationPolicyResponse


async def handle(ctx: Context, request: UpdateRotationPolicyRequest) -> UpdateRotationPolicyResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.UPDATE_ROTATION_POLICY)
    cmk = key_changes.set_rotation(cmk, request.rotate_automatic, request.rotate_interval, ctx.tenant.policy.keys)
    save_cmk(ctx, cmk)
    if cmk.primary is not None:
        ctx.save(with_policy(version(ctx, cmk.primary), cmk))
    return UpdateRotationPolicyResponse(unique_identifier=cmk.uid, next_rotation_date=cmk.next_rotation)
