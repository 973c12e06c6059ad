"""From one key to another: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure
from protocol.structures import CryptographicParameters, ObjectReference


@structure
class ReEncryptRequest:
    """The Unique Identifier is the destination. A private key as source has parameters and a plain ciphertext."""

    unique_identifier: ObjectReference | None = None
    ciphertext_blob: Annotated[bytes, Tagged(vendor.TAG_CIPHERTEXT_BLOB)]
    source_encryption_context: Annotated[str | None, Tagged(vendor.TAG_SOURCE_ENCRYPTION_CONTEXT)] = None
    destination_encryption_context: Annotated[str | None, Tagged(vendor.TAG_DESTINATION_ENCRYPTION_CONTEXT)] = None
    source_key: Annotated[str | None, Tagged(vendor.TAG_SOURCE_KEY)] = None
    cryptographic_parameters: CryptographicParameters | None = None


@structure
class ReEncryptResponse:
    """The Unique Identifier is the version's."""

    unique_identifier: str
    cmk_identifier: Annotated[str | None, Tagged(vendor.TAG_CMK_IDENTIFIER)] = None
    ciphertext_blob: Annotated[bytes, Tagged(vendor.TAG_CIPHERTEXT_BLOB)]
    source_version: Annotated[str, Tagged(vendor.TAG_SOURCE_VERSION)]
