"""List Aliases: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.key_service import Alias
from protocol.schema import Tagged, structure


@structure
class ListAliasesRequest:
    """Of one CMK, or of the tenant."""

    unique_identifier: str | None = None
    maximum_items: int | None = None
    offset_items: int | None = None


@structure
class ListAliasesResponse:
    """A page, by name, and how many there are in all."""

    located_items: int
    aliases: Annotated[tuple[Alias, ...], Tagged(vendor.TAG_ALIAS)] = ()
