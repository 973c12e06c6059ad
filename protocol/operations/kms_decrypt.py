"""Decrypt under a CMK: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure
from protocol.structures import ObjectReference


@structure
class KMSDecryptRequest:
    """The key need not be named; one that is named must be the one that the ciphertext names."""

    ciphertext_blob: Annotated[bytes, Tagged(vendor.TAG_CIPHERTEXT_BLOB)]
    encryption_context: Annotated[str | None, Tagged(vendor.TAG_ENCRYPTION_CONTEXT)] = None
    unique_identifier: ObjectReference | None = None


@structure
class KMSDecryptResponse:
    """The Unique Identifier is the version's."""

    unique_identifier: str
    cmk_identifier: Annotated[str | None, Tagged(vendor.TAG_CMK_IDENTIFIER)] = None
    data: bytes | None = None
