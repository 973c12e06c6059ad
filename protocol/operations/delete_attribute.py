"""Delete Attribute: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute, AttributeReference
from protocol.names import Tag
from protocol.schema import References, Since, SingleAttribute, Until, structure
from protocol.structures import ObjectReference


@structure
class DeleteAttributeRequest:
    """KMIP 1.4 §4.16, 2.1 §6.1.13. In 1.x the name and its index, in 2.x the value or the reference."""

    unique_identifier: ObjectReference | None = None
    current_attribute: Annotated[Attribute | None, SingleAttribute(Tag.CURRENT_ATTRIBUTE), Since(2, 0)] = None
    attribute_reference: Annotated[AttributeReference | None, References()] = None
    attribute_index: Annotated[int | None, Until(1, 4)] = None


@structure
class DeleteAttributeResponse:
    """KMIP 1.4 §4.16, 2.1 §6.1.13."""

    unique_identifier: str
    attribute: Annotated[Attribute | None, SingleAttribute(Tag.NEW_ATTRIBUTE), Until(1, 4)] = None
