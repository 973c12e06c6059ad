"""Rotate CMK: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class RotateCMKRequest:
    """At once, and whatever the interval."""

    unique_identifier: str


@structure
class RotateCMKResponse:
    """The CMK and its new version."""

    unique_identifier: str
    primary_version: Annotated[str, Tagged(vendor.TAG_PRIMARY_VERSION)]
    version_number: Annotated[int, Tagged(vendor.TAG_VERSION_NUMBER)]
