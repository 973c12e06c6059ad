"""Set Version Enabled: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class SetVersionEnabledRequest:
    """Any version but the primary."""

    unique_identifier: str
    version_number: Annotated[int, Tagged(vendor.TAG_VERSION_NUMBER)]
    version_enabled: Annotated[bool, Tagged(vendor.TAG_VERSION_ENABLED)]


@structure
class SetVersionEnabledResponse:
    """The CMK."""

    unique_identifier: str
