"""Poll: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class PollRequest:
    """KMIP 1.4 §4.28, 2.1 §6.1.38."""

    asynchronous_correlation_value: bytes


@structure
class PollResponse:
    """KMIP 1.4 §4.28, 2.1 §6.1.38. What has finished is answered under its own name and payload."""
