"""Schedule Deletion: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import DateTime, Tagged, structure


@structure
class ScheduleDeletionRequest:
    """After 7 to 366 days."""

    unique_identifier: str
    pending_window_days: Annotated[int, Tagged(vendor.TAG_PENDING_WINDOW_DAYS)]


@structure
class ScheduleDeletionResponse:
    """The CMK, and when it will be destroyed."""

    unique_identifier: str
    deletion_date: Annotated[DateTime, Tagged(vendor.TAG_DELETION_DATE)]
