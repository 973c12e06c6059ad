"""Update Rotation Policy: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import DateTime, Interval, Tagged, structure


@structure
class UpdateRotationPolicyRequest:
    """The interval in seconds, 7 to 730 days."""

    unique_identifier: str
    rotate_automatic: bool
    rotate_interval: Interval | None = None


@structure
class UpdateRotationPolicyResponse:
    """The CMK, and when it will be rotated."""

    unique_identifier: str
    next_rotation_date: Annotated[DateTime | None, Tagged(vendor.TAG_NEXT_ROTATION_DATE)] = None
