"""Create Key Pair: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.names import Tag
from protocol.schema import Since, TwoForms, Until, structure
from protocol.structures import ProtectionStorageMasks


@structure
class CreateKeyPairRequest:
    """KMIP 1.4 §4.2, 2.1 §6.1.9."""

    common_attributes: Annotated[Template | None, TwoForms(Tag.COMMON_TEMPLATE_ATTRIBUTE, Tag.COMMON_ATTRIBUTES)] = None
    private_key_attributes: Annotated[
        Template | None, TwoForms(Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, Tag.PRIVATE_KEY_ATTRIBUTES)
    ] = None
    public_key_attributes: Annotated[
        Template | None, TwoForms(Tag.PUBLIC_KEY_TEMPLATE_ATTRIBUTE, Tag.PUBLIC_KEY_ATTRIBUTES)
    ] = None
    common_protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None
    private_protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None
    public_protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None


@structure
class CreateKeyPairResponse:
    """KMIP 1.4 §4.2, 2.1 §6.1.9."""

    private_key_unique_identifier: str
    public_key_unique_identifier: str
    private_key_attributes: Annotated[
        Template | None,
        TwoForms(Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, Tag.PRIVATE_KEY_ATTRIBUTES),
        Until(1, 4),
    ] = None
    public_key_attributes: Annotated[
        Template | None,
        TwoForms(Tag.PUBLIC_KEY_TEMPLATE_ATTRIBUTE, Tag.PUBLIC_KEY_ATTRIBUTES),
        Until(1, 4),
    ] = None
