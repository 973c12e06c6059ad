"""Create: KMIP 1.4 §4.1, 2.1 §6.1.8: a symmetric key, or Secret Data that the server makes up."""

from __future__ import annotations

from kmsd.domain import making
from kmsd.domain.errors import KmsError
from kmsd.domain.policy import check_algorithm
from kmsd.operations.context import Context, reference
from kmsd.operations.new_objects import begin, check_quota
from protocol.enums import KeyFormatType, ObjectType, ResultReason
from protocol.operations.create import CreateRequest, CreateResponse

CREATABLE = frozenset({ObjectType.SYMMETRIC_KEY})


async def handle(ctx: Context, request: CreateRequest) -> CreateResponse:
    if request.object_type not in CREATABLE:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not created")
    check_quota(ctx, 1)
    key = begin(ctx, request.object_type, request.attributes, request.protection_storage_masks)
    algorithm = key.algorithm
    if algorithm is None:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the Cryptographic Algorithm is missing")
    length = key.length or making.DEFAULT_LENGTHS.get(algorithm, 0)
    key = key.set("Cryptographic Length", length)
    check_algorithm(ctx.tenant.policy, algorithm, length)
    provider = ctx.provider(key.protection)
    made = await ctx.crypto(provider, provider.generate, reference(key), algorithm=algorithm, size=length // 8)
    key = making.generated(key, ctx.now)
    key = making.with_material(key, made.material, made.length, made.digest, KeyFormatType.RAW)
    ctx.forget_on_rollback(provider, reference(key), key)
    ctx.save(key)
    ctx.give(key.uid)
    return CreateResponse(object_type=request.object_type, unique_identifier=key.uid)
