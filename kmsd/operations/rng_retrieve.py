"""RNG Retrieve: KMIP 1.4 §4.35, 2.1 §6.1.49."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.operations.rng_retrieve import RNGRetrieveRequest, RNGRetrieveResponse

MAXIMUM = 65536
"""Bytes per call, as much as PKCS#11 tokens give at once without trouble."""


async def handle(ctx: Context, request: RNGRetrieveRequest) -> RNGRetrieveResponse:
    if not 0 < request.data_length <= MAXIMUM:
        raise KmsError(ResultReason.INVALID_FIELD, f"Data Length must be 1 to {MAXIMUM}")
    provider = ctx.provider(ctx.tenant.policy.default_protection)
    data = await ctx.crypto(provider, provider.random, request.data_length, size=request.data_length)
    return RNGRetrieveResponse(data=data)
