"""Logout: KMIP 2.1 §6.1.31: the ticket is no longer valid."""

from __future__ import annotations

from kmsd.operations.context import Context
from protocol.operations.logout import LogoutRequest, LogoutResponse


async def handle(ctx: Context, request: LogoutRequest) -> LogoutResponse:
    tickets = ctx.services.tickets
    entry = tickets.end(request.ticket, ctx.batch.identity, ctx.now)
    ctx.batch.compensate(lambda: tickets.restore(request.ticket, entry))
    return LogoutResponse()
