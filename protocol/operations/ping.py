"""Ping: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class PingRequest:
    """KMIP 2.1 §6.1.36."""


@structure
class PingResponse:
    """KMIP 2.1 §6.1.36."""
