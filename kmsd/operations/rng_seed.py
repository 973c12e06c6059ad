"""RNG Seed: KMIP 1.4 §4.36, 2.1 §6.1.50."""

from __future__ import annotations

from kmsd.operations.context import Context
from protocol.operations.rng_seed import RNGSeedRequest, RNGSeedResponse


async def handle(ctx: Context, request: RNGSeedRequest) -> RNGSeedResponse:
    """The generators are the kernel's and the token's, and no client gets to stir them: "the server MAY elect to
    ignore the information" and says so by a Data Length of 0.

    Raises KmsError Invalid Field for a reference to no earlier result."""
    ctx.resolve_data(request.data)
    return RNGSeedResponse(data_length=0)
