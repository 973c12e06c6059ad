"""Join Split Key: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.enums import ObjectType, SecretDataType
from protocol.names import Tag
from protocol.schema import Since, TwoForms, Until, structure
from protocol.structures import ObjectReference, ProtectionStorageMasks


@structure
class JoinSplitKeyRequest:
    """KMIP 1.4 §4.39, 2.1 §6.1.27."""

    object_type: ObjectType
    unique_identifiers: tuple[ObjectReference, ...]
    secret_data_type: SecretDataType | None = None
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)] = None
    protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None


@structure
class JoinSplitKeyResponse:
    """KMIP 1.4 §4.39, 2.1 §6.1.27."""

    unique_identifier: str
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES), Until(1, 4)] = None
