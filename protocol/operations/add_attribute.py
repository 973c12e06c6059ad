"""Add Attribute: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.names import Tag
from protocol.schema import SingleAttribute, Until, structure
from protocol.structures import ObjectReference


@structure
class AddAttributeRequest:
    """KMIP 1.4 §4.14, 2.1 §6.1.2."""

    unique_identifier: ObjectReference | None = None
    new_attribute: Annotated[Attribute, SingleAttribute(Tag.NEW_ATTRIBUTE)]


@structure
class AddAttributeResponse:
    """KMIP 1.4 §4.14, 2.1 §6.1.2."""

    unique_identifier: str
    attribute: Annotated[Attribute | None, SingleAttribute(Tag.NEW_ATTRIBUTE), Until(1, 4)] = None
