"""Delete Alias: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class DeleteAliasRequest:
    """The CMK stays as it is."""

    alias_name: Annotated[str, Tagged(vendor.TAG_ALIAS_NAME)]


@structure
class DeleteAliasResponse:
    """The CMK that it named."""

    unique_identifier: str
