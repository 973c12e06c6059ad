"""The public key of a CMK's version: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import Tagged, structure
from protocol.structures import ObjectReference


@structure
class GetPublicKeyRequest:
    """A CMK, or one of its versions, either half."""

    unique_identifier: ObjectReference | None = None


@structure
class GetPublicKeyResponse:
    """The Unique Identifier is the public key's."""

    unique_identifier: str
    cmk_identifier: Annotated[str | None, Tagged(vendor.TAG_CMK_IDENTIFIER)] = None
    public_key_pem: Annotated[str, Tagged(vendor.TAG_PUBLIC_KEY_PEM)]
