"""A data key under a CMK: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure
from protocol.structures import ObjectReference


@structure
class GenerateDataKeyRequest:
    """1 to 1024 bytes; the number of bytes wins over the specification, and neither means 32."""

    unique_identifier: ObjectReference | None = None
    data_key_spec: Annotated[str | None, Tagged(vendor.TAG_DATA_KEY_SPEC)] = None
    number_of_bytes: Annotated[int | None, Tagged(vendor.TAG_NUMBER_OF_BYTES)] = None
    encryption_context: Annotated[str | None, Tagged(vendor.TAG_ENCRYPTION_CONTEXT)] = None


@structure
class GenerateDataKeyResponse:
    """The Unique Identifier is the version's."""

    unique_identifier: str
    cmk_identifier: Annotated[str | None, Tagged(vendor.TAG_CMK_IDENTIFIER)] = None
    ciphertext_blob: Annotated[bytes, Tagged(vendor.TAG_CIPHERTEXT_BLOB)]
    data: bytes | None = None
