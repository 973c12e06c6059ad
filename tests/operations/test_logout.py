"""Logout: the ticket is worth nothing from then on, and only its client ends it."""

from __future__ import annotations

from protocol.enums import ResultReason, TicketType
from protocol.operations.login import LoginRequest
from protocol.operations.logout import LogoutRequest
from protocol.structures import Ticket
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import create
from tests.operations.test_login import reason, with_ticket


async def test_the_ticket_is_invalid_afterwards(app: Caller) -> None:
    app = app.at(V2_1)
    ticket = (await app.call(LoginRequest())).ticket
    await app.call(LogoutRequest(ticket=ticket))
    assert await reason(app, create(), with_ticket(ticket)) == ResultReason.INVALID_TICKET
    assert await app.refused(LogoutRequest(ticket=ticket)) == ResultReason.INVALID_TICKET


async def test_others_do_not_end_it(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    ticket = (await app.call(LoginRequest())).ticket
    assert (
        await server.caller("bank", version=V2_1).refused(LogoutRequest(ticket=ticket)) == ResultReason.INVALID_TICKET
    )
    unknown = Ticket(ticket_type=TicketType.LOGIN, ticket_value=b"unknown")
    assert await app.refused(LogoutRequest(ticket=unknown)) == ResultReason.INVALID_TICKET
    assert await reason(app, create(), with_ticket(ticket)) is None
