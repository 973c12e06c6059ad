"""Query Asynchronous Requests: the fields of its request and response payloads."""

from protocol.administration import AsynchronousCorrelationValues, AsynchronousRequest, Operations
from protocol.schema import structure


@structure
class QueryAsynchronousRequestsRequest:
    """KMIP 2.1 §6.1.41."""

    asynchronous_correlation_values: AsynchronousCorrelationValues | None = None
    operations: Operations | None = None


@structure
class QueryAsynchronousRequestsResponse:
    """KMIP 2.1 §6.1.41."""

    asynchronous_requests: tuple[AsynchronousRequest, ...] = ()
