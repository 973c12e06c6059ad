"""Adjust Attribute: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import AttributeReference
from protocol.enums import AdjustmentType
from protocol.schema import References, structure
from protocol.structures import ObjectReference
from protocol.ttlv import Item


@structure
class AdjustAttributeRequest:
    """KMIP 2.1 §6.1.3. The adjustment value has the item type of the attribute."""

    unique_identifier: ObjectReference | None = None
    attribute_reference: Annotated[AttributeReference, References()]
    adjustment_type: AdjustmentType
    adjustment_value: Item | None = None


@structure
class AdjustAttributeResponse:
    """KMIP 2.1 §6.1.3."""

    unique_identifier: str
