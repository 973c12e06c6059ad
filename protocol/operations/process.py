"""Process: the fields of its request and response payloads."""

from protocol.schema import structure


@structure
class ProcessRequest:
    """KMIP 2.1 §6.1.39."""

    asynchronous_correlation_value: bytes


@structure
class ProcessResponse:
    """KMIP 2.1 §6.1.39. The table has no fields, but the published messages echo the correlation value."""

    asynchronous_correlation_value: bytes | None = None
