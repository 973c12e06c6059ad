"""Hash: KMIP 1.4 §4.37, 2.1 §6.1.24. No key, no secret: done here whatever the tenant's protection is."""

from __future__ import annotations

from kmsd.crypto.hashes import digest
from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from kmsd.operations.streaming import hash_part, is_whole
from protocol.enums import ResultReason
from protocol.operations.hash import HashRequest, HashResponse


async def handle(ctx: Context, request: HashRequest) -> HashResponse:
    if not is_whole(request):
        part = await hash_part(ctx, request)
        return HashResponse(data=part.data, correlation_value=part.correlation)
    algorithm = request.cryptographic_parameters.hashing_algorithm
    if algorithm is None:
        raise KmsError(ResultReason.INVALID_FIELD, "the Hashing Algorithm is missing")
    data = ctx.resolve_data(request.data)
    software = ctx.tenant.software
    return HashResponse(data=await ctx.crypto(software, digest, algorithm, data, size=len(data)))
