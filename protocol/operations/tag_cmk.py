"""Tag CMK: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.key_service import KeyTag
from protocol.schema import Tagged, structure


@structure
class TagCMKRequest:
    """A tag whose key the CMK has already gets the new value."""

    unique_identifier: str
    tags: Annotated[tuple[KeyTag, ...], Tagged(vendor.TAG_KEY_TAG)]


@structure
class TagCMKResponse:
    """The CMK."""

    unique_identifier: str
