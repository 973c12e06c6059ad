"""Create Split Key: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.enums import ObjectType, SplitKeyMethod
from protocol.names import Tag
from protocol.schema import BigInteger, Since, TwoForms, Until, structure
from protocol.structures import ObjectReference, ProtectionStorageMasks


@structure
class CreateSplitKeyRequest:
    """KMIP 1.4 §4.38, 2.1 §6.1.10."""

    object_type: ObjectType
    unique_identifier: ObjectReference | None = None
    split_key_parts: int
    split_key_threshold: int
    split_key_method: SplitKeyMethod
    prime_field_size: BigInteger | None = None
    attributes: Annotated[Template, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)]
    protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None


@structure
class CreateSplitKeyResponse:
    """KMIP 1.4 §4.38, 2.1 §6.1.10."""

    unique_identifiers: tuple[str, ...]
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES), Until(1, 4)] = None
