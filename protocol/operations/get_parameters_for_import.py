"""A public key to import material under: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import DateTime, Tagged, structure


@structure
class GetParametersForImportRequest:
    """The Unique Identifier is a CMK's."""

    unique_identifier: str
    wrapping_algorithm: Annotated[str, Tagged(vendor.TAG_WRAPPING_ALGORITHM)]
    wrapping_key_spec: Annotated[str, Tagged(vendor.TAG_WRAPPING_KEY_SPEC)]


@structure
class GetParametersForImportResponse:
    """The public key is SubjectPublicKeyInfo, DER; it and the token go together, once."""

    unique_identifier: str
    wrapping_public_key: Annotated[bytes, Tagged(vendor.TAG_WRAPPING_PUBLIC_KEY)]
    import_token: Annotated[str, Tagged(vendor.TAG_IMPORT_TOKEN)]
    token_expire_time: Annotated[DateTime, Tagged(vendor.TAG_TOKEN_EXPIRE_TIME)]
