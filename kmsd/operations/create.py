"""Create: KMIP 1.4 §4.1, 2.1 §6.1.8: a symmetric key, or Secret Data that the server makes up."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from kmsd.operations.generating import generate
from kmsd.operations.new_objects import begin, check_quota
from protocol.enums import ObjectType, ResultReason
from protocol.operations.create import CreateRequest, CreateResponse

CREATABLE = frozenset({ObjectType.SYMMETRIC_KEY})


async def handle(ctx: Context, request: CreateRequest) -> CreateResponse:
    if request.object_type not in CREATABLE:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not created")
    check_quota(ctx, 1)
    key = begin(ctx, request.object_type, request.attributes, request.protection_storage_masks)
    key = await generate(ctx, key)
    ctx.save(key)
    ctx.give(key.uid)
    return CreateResponse(object_type=request.object_type, unique_identifier=key.uid)
