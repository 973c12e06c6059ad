"""List CMK Versions: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.key_service import KeyVersion
from protocol.schema import Tagged, structure


@structure
class ListCMKVersionsRequest:
    """By identifier or alias."""

    unique_identifier: str
    maximum_items: int | None = None
    offset_items: int | None = None


@structure
class ListCMKVersionsResponse:
    """A page, newest first, and how many there are in all."""

    located_items: int
    versions: Annotated[tuple[KeyVersion, ...], Tagged(vendor.TAG_KEY_VERSION)] = ()
