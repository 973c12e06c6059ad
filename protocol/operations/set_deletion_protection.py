"""Set Deletion Protection: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class SetDeletionProtectionRequest:
    """On or off, and why."""

    unique_identifier: str
    deletion_protection: Annotated[bool, Tagged(vendor.TAG_DELETION_PROTECTION)]
    deletion_protection_description: Annotated[str | None, Tagged(vendor.TAG_DELETION_PROTECTION_DESCRIPTION)] = None


@structure
class SetDeletionProtectionResponse:
    """The CMK."""

    unique_identifier: str
