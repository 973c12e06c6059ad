"""List CMKs: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.key_service import KeyFilter, KeyMetadata
from protocol.schema import Tagged, structure


@structure
class ListCMKsRequest:
    """A page of those that match every filter; 10 items, unless 1 to 100 are asked for."""

    filters: Annotated[tuple[KeyFilter, ...], Tagged(vendor.TAG_KEY_FILTER)] = ()
    maximum_items: int | None = None
    offset_items: int | None = None


@structure
class ListCMKsResponse:
    """The page, newest first, and how many match in all."""

    located_items: int
    keys: Annotated[tuple[KeyMetadata, ...], Tagged(vendor.TAG_KEY_METADATA)] = ()
