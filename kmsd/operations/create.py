"""Create: KMIP 1.4 §4.1, 2.1 §6.1.8: a symmetric key, or Secret Data that the server makes up."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.context import Context
from kmsd.operations.generating import generate, generate_secret
from kmsd.operations.new_objects import begin, check_quota
from protocol.enums import ObjectType, ResultReason
from protocol.operations.create import CreateRequest, CreateResponse

GENERATORS = {ObjectType.SYMMETRIC_KEY: generate, ObjectType.SECRET_DATA: generate_secret}


async def handle(ctx: Context, request: CreateRequest) -> CreateResponse:
    fill = GENERATORS.get(request.object_type)
    if fill is None:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not created")
    check_quota(ctx, 1)
    # Secret Data is no key that a token would use: it is sealed under the tenant's key.
    level = None if request.object_type == ObjectType.SYMMETRIC_KEY else ProtectionLevel.SOFTWARE
    key = begin(ctx, request.object_type, request.attributes, request.protection_storage_masks, level)
    key = await fill(ctx, key)
    ctx.save(key)
    ctx.give(key.uid)
    return CreateResponse(object_type=request.object_type, unique_identifier=key.uid)
