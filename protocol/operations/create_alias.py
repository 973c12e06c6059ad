"""Create Alias: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class CreateAliasRequest:
    """`alias/` and 1 to 255 of the characters A-Z, a-z, 0-9, _, - and /."""

    alias_name: Annotated[str, Tagged(vendor.TAG_ALIAS_NAME)]
    unique_identifier: str


@structure
class CreateAliasResponse:
    """The CMK."""

    unique_identifier: str
