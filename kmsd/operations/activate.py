"""Activate: KMIP 1.4 §4.19, 2.1 §6.1.1."""

from __future__ import annotations

from kmsd.domain import lifecycle
from kmsd.operations.context import Context
from protocol.operations.activate import ActivateRequest, ActivateResponse


async def handle(ctx: Context, request: ActivateRequest) -> ActivateResponse:
    key = ctx.load(request.unique_identifier)
    ctx.save(lifecycle.activate(key, ctx.now))
    return ActivateResponse(unique_identifier=key.uid)
