"""Re-key: KMIP 1.4 §4.4, 2.1 §6.1.46: a new symmetric key takes the place of one that stays for what it protected."""

from __future__ import annotations

from kmsd.domain import rekey
from kmsd.domain.cmk import cmk_of
from kmsd.operations.context import Context
from kmsd.operations.generating import generate
from kmsd.operations.key_versions import load_for_re_key, rotate
from kmsd.operations.new_objects import asked_for, check_quota
from kmsd.operations.replacing import begin_replacement, check_protection
from protocol.enums import ObjectType
from protocol.operations.re_key import ReKeyRequest, ReKeyResponse


async def handle(ctx: Context, request: ReKeyRequest) -> ReKeyResponse:
    old = ctx.load(request.unique_identifier)
    rekey.check_type(old, ObjectType.SYMMETRIC_KEY)
    if cmk_of(old) is not None:
        # The same as rotating the CMK.
        cmk = load_for_re_key(ctx, old, request.offset)
        check_protection(ctx, old, request.protection_storage_masks)
        _, made = await rotate(ctx, cmk, [asked_for(ctx, request.attributes, old.object_type)])
        ctx.give(made[0].uid)
        return ReKeyResponse(unique_identifier=made[0].uid)
    check_quota(ctx, 1)
    new = begin_replacement(ctx, old, request.attributes, request.protection_storage_masks, request.offset)
    new = await generate(ctx, new)
    ctx.save(*rekey.take_over(old, new, ctx.now))
    ctx.give(new.uid)
    return ReKeyResponse(unique_identifier=new.uid)
