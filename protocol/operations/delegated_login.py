"""Delegated Login: the fields of its request and response payloads."""

from protocol.administration import Rights
from protocol.schema import structure
from protocol.structures import Ticket, UsageLimits
from protocol.ttlv import Item


@structure
class DelegatedLoginRequest:
    """KMIP 2.1 §6.1.12. Lease time: an Interval, or the Date-Time when the ticket ends."""

    lease_time: Item | None = None
    request_count: int | None = None
    usage_limits: UsageLimits | None = None
    rights: Rights


@structure
class DelegatedLoginResponse:
    """KMIP 2.1 §6.1.12."""

    ticket: Ticket
