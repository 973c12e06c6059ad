"""What Login and Delegated Login share: how long a ticket lives, and who may have one."""

from __future__ import annotations

from kmsd.domain.errors import invalid_field, permission_denied, unsupported
from kmsd.operations.context import Context
from protocol.administration import Right
from protocol.operations.delegated_login import DelegatedLoginRequest
from protocol.operations.login import LoginRequest
from protocol.structures import Ticket
from protocol.ttlv import Item, ItemType


def issue(ctx: Context, request: LoginRequest | DelegatedLoginRequest, rights: tuple[Right, ...] | None) -> Ticket:
    """The ticket that a request asks for. Raises KmsError."""
    if ctx.batch.identity.by_ticket:
        # Else a ticket could be prolonged for ever.
        raise permission_denied("a ticket gives no right to another ticket")
    if request.usage_limits is not None:
        raise unsupported("the operations of a ticket are not counted: it has a Request Count")
    if request.request_count is not None and request.request_count < 1:
        raise invalid_field("the Request Count is 1 at least")
    tickets = ctx.services.tickets
    expires = _expiry(request.lease_time, ctx.now, tickets.lifetime)
    ticket = tickets.issue(ctx.batch.identity, expires, request.request_count, rights, ctx.now)
    ctx.batch.compensate(lambda: tickets.withdraw(ticket))
    return ticket


def _expiry(lease: Item | None, now: int, lifetime: int) -> int:
    """When the ticket ends, in POSIX seconds. No Lease Time, and one of 0, leave it to the server.

    A time that is too long is refused: the response has no room for another one.
    """
    if lease is None:
        return now + lifetime
    if not isinstance(lease.value, int) or lease.type not in (ItemType.INTERVAL, ItemType.DATE_TIME):
        raise invalid_field("the Lease Time is an Interval or a Date-Time")
    expires = now + (lease.value or lifetime) if lease.type == ItemType.INTERVAL else lease.value
    if not now < expires <= now + lifetime:
        raise invalid_field(f"the Lease Time ends in the future, within {lifetime} seconds")
    return expires
