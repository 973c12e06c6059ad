"""Export: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.enums import KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType
from protocol.objects import AnyManagedObject, KeyWrappingSpecification
from protocol.schema import AttributeList, Since, structure
from protocol.structures import ObjectReference


@structure
class ExportRequest:
    """KMIP 1.4 §4.40, 2.1 §6.1.18."""

    unique_identifier: ObjectReference | None = None
    key_format_type: KeyFormatType | None = None
    key_wrap_type: Annotated[KeyWrapType | None, Since(1, 4)] = None
    key_compression_type: KeyCompressionType | None = None
    key_wrapping_specification: KeyWrappingSpecification | None = None


@structure
class ExportResponse:
    """KMIP 1.4 §4.40, 2.1 §6.1.18."""

    object_type: ObjectType
    unique_identifier: str
    attributes: Annotated[tuple[Attribute, ...], AttributeList()] = ()
    managed_object: AnyManagedObject
