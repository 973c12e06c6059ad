"""The material of a CMK: the fields of its request and response payloads. kmsd's own operation."""

from typing import Annotated

from protocol import vendor
from protocol.schema import DateTime, Tagged, structure


@structure
class ImportKeyMaterialRequest:
    """The Unique Identifier is a CMK's. Without an expiry, or with 0, the material stays."""

    unique_identifier: str
    encrypted_key_material: Annotated[bytes, Tagged(vendor.TAG_ENCRYPTED_KEY_MATERIAL)]
    import_token: Annotated[str, Tagged(vendor.TAG_IMPORT_TOKEN)]
    material_expire_time: Annotated[DateTime | None, Tagged(vendor.TAG_MATERIAL_EXPIRE_TIME)] = None


@structure
class ImportKeyMaterialResponse:
    """The Unique Identifier is the version's."""

    unique_identifier: str
    cmk_identifier: Annotated[str, Tagged(vendor.TAG_CMK_IDENTIFIER)]
