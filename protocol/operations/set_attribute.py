"""Set Attribute: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.names import Tag
from protocol.schema import SingleAttribute, structure
from protocol.structures import ObjectReference


@structure
class SetAttributeRequest:
    """KMIP 2.1 §6.1.51."""

    unique_identifier: ObjectReference | None = None
    new_attribute: Annotated[Attribute, SingleAttribute(Tag.NEW_ATTRIBUTE)]


@structure
class SetAttributeResponse:
    """KMIP 2.1 §6.1.51."""

    unique_identifier: str
