"""Update Alias: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure


@structure
class UpdateAliasRequest:
    """The alias, and the CMK that it names from now on."""

    alias_name: Annotated[str, Tagged(vendor.TAG_ALIAS_NAME)]
    unique_identifier: str


@structure
class UpdateAliasResponse:
    """The CMK."""

    unique_identifier: str
