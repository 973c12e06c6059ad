"""Get Attribute List: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import AttributeReference
from protocol.schema import References, structure
from protocol.structures import ObjectReference


@structure
class GetAttributeListRequest:
    """KMIP 1.4 §4.13, 2.1 §6.1.21."""

    unique_identifier: ObjectReference | None = None


@structure
class GetAttributeListResponse:
    """KMIP 1.4 §4.13, 2.1 §6.1.21."""

    unique_identifier: str
    attribute_references: Annotated[tuple[AttributeReference, ...], References()] = ()
