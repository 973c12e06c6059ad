"""Destroy: KMIP 1.4 §4.21, 2.1 §6.1.15. The material is gone, the metadata stays."""

from __future__ import annotations

from kmsd.domain import lifecycle
from kmsd.operations.context import Context, reference
from protocol.operations.destroy import DestroyRequest, DestroyResponse


async def handle(ctx: Context, request: DestroyRequest) -> DestroyResponse:
    key = await ctx.load(request.unique_identifier)
    ctx.save(lifecycle.destroy(key, ctx.now))
    material = key.material
    if material is not None:
        provider = ctx.provider(key.protection)
        if material.kind == "resident":
            # A token that is lost would keep the key, and nobody could destroy it again.
            await ctx.crypto(provider, provider.random, 1)
        # The token forgets the key only once the store has: what the commit refuses, because another request has
        # activated the key meanwhile, must not have lost it.
        ctx.batch.after_commit.append(lambda: provider.destroy(reference(key), material))
    return DestroyResponse(unique_identifier=key.uid)
