"""Revoke: KMIP 1.4 §4.20, 2.1 §6.1.44."""

from __future__ import annotations

from kmsd.domain import lifecycle
from kmsd.operations.context import Context
from protocol.operations.revoke import RevokeRequest, RevokeResponse


async def handle(ctx: Context, request: RevokeRequest) -> RevokeResponse:
    key = ctx.load(request.unique_identifier)
    ctx.save(lifecycle.revoke(key, request.revocation_reason, request.compromise_occurrence_date, ctx.now))
    return RevokeResponse(unique_identifier=key.uid)
