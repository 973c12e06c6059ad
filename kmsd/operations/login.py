"""Login: KMIP 2.1 §6.1.30: a ticket in place of this client's credential."""

from __future__ import annotations

from kmsd.operations.context import Context
from kmsd.operations.ticketing import issue
from protocol.operations.login import LoginRequest, LoginResponse


async def handle(ctx: Context, request: LoginRequest) -> LoginResponse:
    return LoginResponse(ticket=issue(ctx, request, None))
