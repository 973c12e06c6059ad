"""Obtain Lease: the fields of its request and response payloads."""

from protocol.schema import DateTime, Interval, structure
from protocol.structures import ObjectReference


@structure
class ObtainLeaseRequest:
    """KMIP 1.4 §4.17, 2.1 §6.1.35."""

    unique_identifier: ObjectReference | None = None


@structure
class ObtainLeaseResponse:
    """KMIP 1.4 §4.17, 2.1 §6.1.35."""

    unique_identifier: str
    lease_time: Interval
    last_change_date: DateTime
