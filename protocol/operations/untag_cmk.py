"""Untag CMK: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class UntagCMKRequest:
    """These tags, or all."""

    unique_identifier: str
    tag_keys: Annotated[tuple[str, ...], Tagged(vendor.TAG_TAG_KEY)] = ()
    all_tags: Annotated[bool | None, Tagged(vendor.TAG_ALL_TAGS)] = None


@structure
class UntagCMKResponse:
    """The CMK."""

    unique_identifier: str
