"""Import: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Attribute
from protocol.enums import KeyWrapType, ObjectType
from protocol.objects import AnyManagedObject
from protocol.schema import AttributeList, structure


@structure
class ImportRequest:
    """KMIP 1.4 §4.41, 2.1 §6.1.25."""

    unique_identifier: str
    # Not in the table of 1.4, where the class of the object says its type; required in 2.x.
    object_type: ObjectType | None = None
    replace_existing: bool | None = None
    key_wrap_type: KeyWrapType | None = None
    attributes: Annotated[tuple[Attribute, ...], AttributeList()] = ()
    managed_object: AnyManagedObject


@structure
class ImportResponse:
    """KMIP 1.4 §4.41, 2.1 §6.1.25."""

    unique_identifier: str
