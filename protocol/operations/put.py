"""Put: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.enums import PutFunction
from protocol.objects import AnyManagedObject
from protocol.schema import AttributeList, structure


@structure
class PutRequest:
    """KMIP 1.4 §5.2, 2.1 §6.2.3."""

    unique_identifier: str
    put_function: PutFunction
    replaced_unique_identifier: str | None = None
    managed_object: AnyManagedObject
    attributes: Annotated[tuple[Attribute, ...] | None, AttributeList()] = None


@structure
class PutResponse:
    """KMIP 1.4 §5.2, 2.1 §6.2.3."""
