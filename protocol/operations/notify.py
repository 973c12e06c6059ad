"""Notify: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute, AttributeReference
from protocol.schema import AttributeList, References, Since, structure


@structure
class NotifyRequest:
    """KMIP 1.4 §5.1, 2.1 §6.2.2."""

    unique_identifier: str
    attributes: Annotated[tuple[Attribute, ...] | None, AttributeList()] = None
    attribute_references: Annotated[tuple[AttributeReference, ...], References(), Since(2, 0)] = ()


@structure
class NotifyResponse:
    """KMIP 1.4 §5.1, 2.1 §6.2.2."""
