"""A data key of a CMK under a public key: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure
from protocol.structures import ObjectReference


@structure
class ExportDataKeyRequest:
    """As KMS Decrypt; the public key is SubjectPublicKeyInfo, DER."""

    ciphertext_blob: Annotated[bytes, Tagged(vendor.TAG_CIPHERTEXT_BLOB)]
    encryption_context: Annotated[str | None, Tagged(vendor.TAG_ENCRYPTION_CONTEXT)] = None
    unique_identifier: ObjectReference | None = None
    wrapping_public_key: Annotated[bytes, Tagged(vendor.TAG_WRAPPING_PUBLIC_KEY)]
    wrapping_key_spec: Annotated[str, Tagged(vendor.TAG_WRAPPING_KEY_SPEC)]
    wrapping_algorithm: Annotated[str, Tagged(vendor.TAG_WRAPPING_ALGORITHM)]


@structure
class ExportDataKeyResponse:
    """The Unique Identifier is the version's."""

    unique_identifier: str
    cmk_identifier: Annotated[str | None, Tagged(vendor.TAG_CMK_IDENTIFIER)] = None
    exported_data_key: Annotated[bytes, Tagged(vendor.TAG_EXPORTED_DATA_KEY)]
