"""Check: the fields of its request and response payloads."""

from protocol.enums import CryptographicUsageMask
from protocol.schema import Interval, LongInteger, structure
from protocol.structures import ObjectReference


@structure
class CheckRequest:
    """KMIP 1.4 §4.10, 2.1 §6.1.7."""

    unique_identifier: ObjectReference | None = None
    usage_limits_count: LongInteger | None = None
    cryptographic_usage_mask: CryptographicUsageMask | None = None
    lease_time: Interval | None = None


@structure
class CheckResponse:
    """KMIP 1.4 §4.10, 2.1 §6.1.7."""

    unique_identifier: str | None = None
    usage_limits_count: LongInteger | None = None
    cryptographic_usage_mask: CryptographicUsageMask | None = None
    lease_time: Interval | None = None
