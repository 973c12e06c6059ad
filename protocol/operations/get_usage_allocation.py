"""Get Usage Allocation: the fields of its request and response payloads."""

from protocol.schema import LongInteger, structure
from protocol.structures import ObjectReference


@structure
class GetUsageAllocationRequest:
    """KMIP 1.4 §4.18, 2.1 §6.1.23."""

    unique_identifier: ObjectReference | None = None
    usage_limits_count: LongInteger


@structure
class GetUsageAllocationResponse:
    """KMIP 1.4 §4.18, 2.1 §6.1.23."""

    unique_identifier: str
