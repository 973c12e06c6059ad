"""Modify Attribute: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.names import Tag
from protocol.schema import Since, SingleAttribute, Until, structure
from protocol.structures import ObjectReference


@structure
class ModifyAttributeRequest:
    """KMIP 1.4 §4.15, 2.1 §6.1.34."""

    unique_identifier: ObjectReference | None = None
    current_attribute: Annotated[Attribute | None, SingleAttribute(Tag.CURRENT_ATTRIBUTE), Since(2, 0)] = None
    new_attribute: Annotated[Attribute, SingleAttribute(Tag.NEW_ATTRIBUTE)]


@structure
class ModifyAttributeResponse:
    """KMIP 1.4 §4.15, 2.1 §6.1.34."""

    unique_identifier: str
    attribute: Annotated[Attribute | None, SingleAttribute(Tag.NEW_ATTRIBUTE), Until(1, 4)] = None
