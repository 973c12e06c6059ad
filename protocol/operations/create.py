"""Create: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.enums import ObjectType
from protocol.names import Tag
from protocol.schema import Since, TwoForms, Until, structure
from protocol.structures import ProtectionStorageMasks


@structure
class CreateRequest:
    """KMIP 1.4 §4.1, 2.1 §6.1.8."""

    object_type: ObjectType
    attributes: Annotated[Template, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)]
    protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None


@structure
class CreateResponse:
    """KMIP 1.4 §4.1, 2.1 §6.1.8."""

    object_type: ObjectType
    unique_identifier: str
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES), Until(1, 4)] = None
