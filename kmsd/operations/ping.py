"""Ping: KMIP 2.1 §6.1.36."""

from __future__ import annotations

from kmsd.operations.context import Context
from protocol.operations.ping import PingRequest, PingResponse


async def handle(ctx: Context, request: PingRequest) -> PingResponse:
    return PingResponse()
