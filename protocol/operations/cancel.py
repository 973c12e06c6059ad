"""Cancel: the fields of its request and response payloads."""

from protocol.enums import CancellationResult
from protocol.schema import structure


@structure
class CancelRequest:
    """KMIP 1.4 §4.27, 2.1 §6.1.5."""

    asynchronous_correlation_value: bytes


@structure
class CancelResponse:
    """KMIP 1.4 §4.27, 2.1 §6.1.5."""

    asynchronous_correlation_value: bytes
    cancellation_result: CancellationResult
