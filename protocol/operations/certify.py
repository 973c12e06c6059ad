"""Certify: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.enums import CertificateRequestType
from protocol.names import Tag
from protocol.schema import Since, TwoForms, Until, structure
from protocol.structures import ObjectReference, ProtectionStorageMasks


@structure
class CertifyRequest:
    """KMIP 1.4 §4.7, 2.1 §6.1.6."""

    unique_identifier: ObjectReference | None = None
    certificate_request_type: CertificateRequestType | None = None
    certificate_request: Annotated[bytes | None, Until(1, 4)] = None
    certificate_request_value: Annotated[bytes | None, Since(2, 0)] = None
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)] = None
    protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 0)] = None


@structure
class CertifyResponse:
    """KMIP 1.4 §4.7, 2.1 §6.1.6."""

    unique_identifier: str
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES), Until(1, 4)] = None
