"""Re-key: KMIP 1.4 §4.4, 2.1 §6.1.46: a new symmetric key takes the place of one that stays for what it protected."""

from __future__ import annotations

from kmsd.domain import rekey
from kmsd.operations.context import Context
from kmsd.operations.generating import generate
from kmsd.operations.new_objects import check_quota
from kmsd.operations.replacing import begin_replacement
from protocol.enums import ObjectType
from protocol.operations.re_key import ReKeyRequest, ReKeyResponse


async def handle(ctx: Context, request: ReKeyRequest) -> ReKeyResponse:
    old = await ctx.load(request.unique_identifier)
    rekey.check_type(old, ObjectType.SYMMETRIC_KEY)
    check_quota(ctx, 1)
    new = begin_replacement(ctx, old, request.attributes, request.protection_storage_masks, request.offset)
    new = await generate(ctx, new)
    ctx.save(*rekey.take_over(old, new, ctx.now))
    ctx.give(new.uid)
    return ReKeyResponse(unique_identifier=new.uid)
