"""Encrypt under a CMK: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure
from protocol.structures import DataReference, ObjectReference


@structure
class KMSEncryptRequest:
    """1 to 6144 bytes of data."""

    unique_identifier: ObjectReference | None = None
    data: DataReference
    encryption_context: Annotated[str | None, Tagged(vendor.TAG_ENCRYPTION_CONTEXT)] = None


@structure
class KMSEncryptResponse:
    """The Unique Identifier is the version's."""

    unique_identifier: str
    cmk_identifier: Annotated[str | None, Tagged(vendor.TAG_CMK_IDENTIFIER)] = None
    ciphertext_blob: Annotated[bytes, Tagged(vendor.TAG_CIPHERTEXT_BLOB)]
