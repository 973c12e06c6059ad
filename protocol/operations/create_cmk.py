"""Create CMK: the fields of its request and response payloads."""

from typing import Annotated

from protocol import vendor
from protocol.key_service import KeyMetadata, KeyTag
from protocol.schema import Interval, Tagged, structure


@structure
class CreateCMKRequest:
    """Without a specification AES_256; the interval in seconds."""

    key_spec: Annotated[str | None, Tagged(vendor.TAG_KEY_SPEC)] = None
    key_usage: Annotated[str | None, Tagged(vendor.TAG_KEY_USAGE)] = None
    key_origin: Annotated[str | None, Tagged(vendor.TAG_KEY_ORIGIN)] = None
    key_protection: Annotated[str | None, Tagged(vendor.TAG_KEY_PROTECTION)] = None
    description: str | None = None
    rotate_automatic: bool | None = None
    rotate_interval: Interval | None = None
    deletion_protection: Annotated[bool | None, Tagged(vendor.TAG_DELETION_PROTECTION)] = None
    deletion_protection_description: Annotated[str | None, Tagged(vendor.TAG_DELETION_PROTECTION_DESCRIPTION)] = None
    alias_names: Annotated[tuple[str, ...], Tagged(vendor.TAG_ALIAS_NAME)] = ()
    tags: Annotated[tuple[KeyTag, ...], Tagged(vendor.TAG_KEY_TAG)] = ()


@structure
class CreateCMKResponse:
    """The CMK as it is made."""

    metadata: Annotated[KeyMetadata, Tagged(vendor.TAG_KEY_METADATA)]
