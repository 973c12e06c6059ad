"""Describe CMK: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.key_service import KeyMetadata
from protocol.schema import Tagged, structure


@structure
class DescribeCMKRequest:
    """By identifier or alias."""

    unique_identifier: str


@structure
class DescribeCMKResponse:
    """The CMK as it is now."""

    metadata: Annotated[KeyMetadata, Tagged(vendor.TAG_KEY_METADATA)]
