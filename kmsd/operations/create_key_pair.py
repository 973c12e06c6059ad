"""Create Key Pair: KMIP 1.4 §4.2, 2.1 §6.1.9."""

from __future__ import annotations

from kmsd.operations.context import Context
from kmsd.operations.generating import generate_pair
from kmsd.operations.new_objects import begin, check_quota, joined
from protocol.enums import ObjectType
from protocol.operations.create_key_pair import CreateKeyPairRequest, CreateKeyPairResponse


async def handle(ctx: Context, request: CreateKeyPairRequest) -> CreateKeyPairResponse:
    check_quota(ctx, 2)
    common = request.common_attributes
    private = begin(
        ctx,
        ObjectType.PRIVATE_KEY,
        joined(common, request.private_key_attributes),
        request.private_protection_storage_masks or request.common_protection_storage_masks,
    )
    public = begin(
        ctx,
        ObjectType.PUBLIC_KEY,
        joined(common, request.public_key_attributes),
        request.public_protection_storage_masks or request.common_protection_storage_masks,
    )
    public, private = await generate_pair(ctx, public, private)
    ctx.save(public, private)
    # KMIP 1.4 §4.2: "The ID Placeholder value SHALL be set to the Unique Identifier of the Private Key."
    ctx.give(private.uid, public.uid, placeholder=private.uid)
    return CreateKeyPairResponse(private_key_unique_identifier=private.uid, public_key_unique_identifier=public.uid)
