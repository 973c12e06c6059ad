"""Destroy: KMIP 1.4 §4.21, 2.1 §6.1.15. The material is gone, the metadata stays."""

from __future__ import annotations

from kmsd.domain import key_changes, lifecycle
from kmsd.domain.cmk import cmk_of, from_object
from kmsd.domain.errors import permission_denied
from kmsd.domain.key_states import Call, check
from kmsd.domain.objects import ManagedObject
from kmsd.operations.addressing import record_for, save_cmk
from kmsd.operations.context import Context, reference
from protocol.operations.destroy import DestroyRequest, DestroyResponse


async def handle(ctx: Context, request: DestroyRequest) -> DestroyResponse:
    key = ctx.load(request.unique_identifier)
    cmk = cmk_of(key)
    if cmk is not None:
        _schedule(ctx, cmk)
    else:
        ctx.save(lifecycle.destroy(key, ctx.now))
        await destroy_material(ctx, key)
    return DestroyResponse(unique_identifier=key.uid)


def _schedule(ctx: Context, uid: str) -> None:
    """A version goes with its CMK only, and that after a waiting time, where the tenant has Destroy mean that.

    Raises KmsError: Permission Denied, and as Schedule Deletion.
    """
    rules = ctx.tenant.policy.keys
    if rules.destroy_window is None:
        raise permission_denied("a version of a CMK is not destroyed by itself: schedule the deletion of the CMK")
    cmk = from_object(record_for(ctx, uid))
    check(cmk, Call.SCHEDULE_KEY_DELETION, ctx.now)
    save_cmk(ctx, key_changes.schedule_deletion(cmk, rules.destroy_window, ctx.now, rules))


async def destroy_material(ctx: Context, key: ManagedObject) -> None:
    """Have the provider forget the material of `key`, once the store has."""
    material = key.material
    if material is None:
        return
    provider = ctx.provider(key.protection)
    if material.kind == "resident":
        # A token that is lost would keep the key, and nobody could destroy it again.
        await ctx.crypto(provider, provider.random, 1)
    # The token forgets the key only once the store has: what the commit refuses, because another request has
    # activated the key meanwhile, must not have lost it.
    ctx.batch.postpone(lambda: provider.destroy(reference(key), material), blocks=True)
