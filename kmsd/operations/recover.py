"""Recover: KMIP 1.4 §4.23, 2.1 §6.1.42."""

from __future__ import annotations

from kmsd.domain import lifecycle
from kmsd.operations.context import Context
from protocol.operations.recover import RecoverRequest, RecoverResponse


async def handle(ctx: Context, request: RecoverRequest) -> RecoverResponse:
    """What is on-line is on-line already."""
    key = ctx.load(request.unique_identifier)
    if lifecycle.is_archived(key):
        ctx.save(lifecycle.recover(key))
    return RecoverResponse(unique_identifier=key.uid)
