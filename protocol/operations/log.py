"""Log: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class LogRequest:
    """KMIP 2.1 §6.1.29."""

    log_message: str


@structure
class LogResponse:
    """KMIP 2.1 §6.1.29."""
