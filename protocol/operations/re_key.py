"""Re-key: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.names import Tag
from protocol.schema import Interval, Since, TwoForms, Until, structure
from protocol.structures import ObjectReference, ProtectionStorageMasks


@structure
class ReKeyRequest:
    """KMIP 1.4 §4.4, 2.1 §6.1.46."""

    unique_identifier: ObjectReference | None = None
    offset: Interval | None = None
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)] = None
    protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None


@structure
class ReKeyResponse:
    """KMIP 1.4 §4.4, 2.1 §6.1.46."""

    unique_identifier: str
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES), Until(1, 4)] = None
