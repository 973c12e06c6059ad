"""Logout: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.structures import Ticket


@structure
class LogoutRequest:
    """KMIP 2.1 §6.1.31."""

    ticket: Ticket


@structure
class LogoutResponse:
    """KMIP 2.1 §6.1.31."""
