"""Set Minimum Version: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class SetMinimumVersionRequest:
    """Versions below it decrypt and verify no more; from 1 to that of the primary."""

    unique_identifier: str
    minimum_version: Annotated[int, Tagged(vendor.TAG_MINIMUM_VERSION)]


@structure
class SetMinimumVersionResponse:
    """The CMK."""

    unique_identifier: str
