"""Get Attributes: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute, AttributeReference
from protocol.schema import AttributeList, References, structure
from protocol.structures import ObjectReference


@structure
class GetAttributesRequest:
    """KMIP 1.4 §4.12, 2.1 §6.1.20."""

    unique_identifier: ObjectReference | None = None
    attribute_references: Annotated[tuple[AttributeReference, ...], References()] = ()


@structure
class GetAttributesResponse:
    """KMIP 1.4 §4.12, 2.1 §6.1.20."""

    unique_identifier: str
    attributes: Annotated[tuple[Attribute, ...], AttributeList()] = ()
