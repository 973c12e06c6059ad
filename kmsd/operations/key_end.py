"""The end of a CMK at the date of its deletion, and of imported material at its expiry or by order."""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain import key_changes, lifecycle
from kmsd.domain.cmk import Cmk
from kmsd.domain.objects import ManagedObject
from kmsd.operations.addressing import save_cmk
from kmsd.operations.context import Context
from kmsd.operations.destroy import destroy_material
from kmsd.operations.key_versions import objects_of
from protocol.enums import RevocationReasonCode, State
from protocol.structures import RevocationReason

_ENDED = RevocationReason(revocation_reason_code=RevocationReasonCode.CESSATION_OF_OPERATION)


async def delete(ctx: Context, cmk: Cmk) -> None:
    """Destroy all versions, in the store and in the HSM; the record and the metadata of its versions stay."""
    for key in objects_of(ctx, cmk):
        if not lifecycle.is_destroyed(key):
            ctx.save(_destroyed(key, ctx.now))
            await destroy_material(ctx, key)
    save_cmk(ctx, key_changes.destroyed(cmk, ctx.now))


def _destroyed(key: ManagedObject, now: int) -> ManagedObject:
    """KMIP knows no way from Active to Destroyed but by Deactivated (KMIP 1.4 §3.22)."""
    if key.state is State.ACTIVE:
        key = lifecycle.revoke(key, _ENDED, None, now)
    return lifecycle.destroy(key, now)


async def drop_material(ctx: Context, cmk: Cmk) -> Cmk:
    """The record without its imported material, which is destroyed; its version waits for the same material again.

    The version keeps its identifier, so that what it has encrypted can be opened once the material is back: it is
    Pre-Active, and Key Value Present says no (KMIP 2.1 §4.27). Raises KmsError Feature Not Supported.
    """
    changed = key_changes.without_material(cmk)
    for key in objects_of(ctx, cmk):
        if key.material is None:
            continue
        emptied = key.set_all({"Key Value Present": False, "Activation Date": None})
        ctx.save(replace(emptied, state=State.PRE_ACTIVE, material=None))
        await destroy_material(ctx, key)
    save_cmk(ctx, changed)
    return changed
