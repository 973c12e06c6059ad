"""Re-key Key Pair: KMIP 1.4 §4.5, 2.1 §6.1.47: a new pair takes the place of one that stays."""

from __future__ import annotations

from kmsd.domain import rekey
from kmsd.domain.cmk import cmk_of
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from kmsd.operations.context import Context
from kmsd.operations.generating import generate_pair
from kmsd.operations.key_versions import load_for_re_key, rotate
from kmsd.operations.new_objects import asked_for, check_quota, joined
from kmsd.operations.replacing import begin_replacement, check_protection
from protocol.enums import LinkType, ObjectType, ResultReason
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest, ReKeyKeyPairResponse


async def handle(ctx: Context, request: ReKeyKeyPairRequest) -> ReKeyKeyPairResponse:
    old_private = ctx.load(request.private_key_unique_identifier)
    rekey.check_type(old_private, ObjectType.PRIVATE_KEY)
    public_uid = rekey.linked(old_private, LinkType.PUBLIC_KEY_LINK)
    if public_uid is None:
        raise KmsError(ResultReason.PERMISSION_DENIED, "the private key has no link to its public key")
    old_public = ctx.load(public_uid)
    rekey.check_type(old_public, ObjectType.PUBLIC_KEY)
    common = request.common_attributes
    if cmk_of(old_private) is not None:
        return await _rotate(ctx, old_private, request)
    check_quota(ctx, 2)
    private = begin_replacement(
        ctx,
        old_private,
        joined(common, request.private_key_attributes),
        request.private_protection_storage_masks or request.common_protection_storage_masks,
        request.offset,
    )
    public = begin_replacement(
        ctx,
        old_public,
        joined(common, request.public_key_attributes),
        request.public_protection_storage_masks or request.common_protection_storage_masks,
        request.offset,
    )
    public, private = await generate_pair(ctx, public, private)
    ctx.save(*rekey.take_over(old_private, private, ctx.now), *rekey.take_over(old_public, public, ctx.now))
    ctx.give(private.uid, public.uid, placeholder=private.uid)
    return ReKeyKeyPairResponse(private_key_unique_identifier=private.uid, public_key_unique_identifier=public.uid)


async def _rotate(ctx: Context, private: ManagedObject, request: ReKeyKeyPairRequest) -> ReKeyKeyPairResponse:
    """The same as rotating the CMK that the pair is a version of."""
    cmk = load_for_re_key(ctx, private, request.offset)
    for masks in (
        request.common_protection_storage_masks,
        request.private_protection_storage_masks,
        request.public_protection_storage_masks,
    ):
        check_protection(ctx, private, masks)
    common = request.common_attributes
    asked = [
        asked_for(ctx, joined(common, request.private_key_attributes), ObjectType.PRIVATE_KEY),
        asked_for(ctx, joined(common, request.public_key_attributes), ObjectType.PUBLIC_KEY),
    ]
    _, (new, public) = await rotate(ctx, cmk, asked)
    ctx.give(new.uid, public.uid, placeholder=new.uid)
    return ReKeyKeyPairResponse(private_key_unique_identifier=new.uid, public_key_unique_identifier=public.uid)
