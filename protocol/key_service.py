"""What the operations of the key service say of a CMK: kmsd's own structures (KMIP 2.1 §11.61: tags 54XXXX)."""

from typing import Annotated

from protocol import vendor
from protocol.schema import DateTime, Interval, Tagged, structure


@structure(tag=vendor.TAG_KEY_TAG)
class KeyTag:
    """A tag of a CMK."""

    tag_key: Annotated[str, Tagged(vendor.TAG_TAG_KEY)]
    tag_value: Annotated[str, Tagged(vendor.TAG_TAG_VALUE)]


@structure(tag=vendor.TAG_ALIAS)
class Alias:
    """An alias and the CMK that it names now."""

    alias_name: Annotated[str, Tagged(vendor.TAG_ALIAS_NAME)]
    unique_identifier: str


@structure(tag=vendor.TAG_KEY_FILTER)
class KeyFilter:
    """What a listed CMK must be: one of the values. Several filters of one key are one with all their values."""

    filter_key: Annotated[str, Tagged(vendor.TAG_FILTER_KEY)]
    filter_values: Annotated[tuple[str, ...], Tagged(vendor.TAG_FILTER_VALUE)]


@structure(tag=vendor.TAG_KEY_METADATA)
class KeyMetadata:
    """What a CMK is. Dates in POSIX seconds, the interval in seconds; what does not apply is left out."""

    unique_identifier: str
    key_state: Annotated[str, Tagged(vendor.TAG_KEY_STATE)]
    key_spec: Annotated[str, Tagged(vendor.TAG_KEY_SPEC)]
    key_usage: Annotated[str, Tagged(vendor.TAG_KEY_USAGE)]
    key_origin: Annotated[str, Tagged(vendor.TAG_KEY_ORIGIN)]
    key_protection: Annotated[str, Tagged(vendor.TAG_KEY_PROTECTION)]
    creator: Annotated[str, Tagged(vendor.TAG_CREATOR)]
    initial_date: DateTime
    description: str | None = None
    primary_version: Annotated[str | None, Tagged(vendor.TAG_PRIMARY_VERSION)] = None
    version_count: Annotated[int, Tagged(vendor.TAG_VERSION_COUNT)]
    minimum_version: Annotated[int, Tagged(vendor.TAG_MINIMUM_VERSION)]
    rotation_state: Annotated[str, Tagged(vendor.TAG_ROTATION_STATE)]
    rotate_interval: Interval | None = None
    rotate_date: DateTime | None = None
    next_rotation_date: Annotated[DateTime | None, Tagged(vendor.TAG_NEXT_ROTATION_DATE)] = None
    deletion_date: Annotated[DateTime | None, Tagged(vendor.TAG_DELETION_DATE)] = None
    material_expire_time: Annotated[DateTime | None, Tagged(vendor.TAG_MATERIAL_EXPIRE_TIME)] = None
    deletion_protection: Annotated[bool, Tagged(vendor.TAG_DELETION_PROTECTION)]
    deletion_protection_description: Annotated[str | None, Tagged(vendor.TAG_DELETION_PROTECTION_DESCRIPTION)] = None
    alias_names: Annotated[tuple[str, ...], Tagged(vendor.TAG_ALIAS_NAME)] = ()
    tags: Annotated[tuple[KeyTag, ...], Tagged(vendor.TAG_KEY_TAG)] = ()


@structure(tag=vendor.TAG_KEY_VERSION)
class KeyVersion:
    """One version of a CMK. Dates in POSIX seconds."""

    unique_identifier: str
    version_number: Annotated[int, Tagged(vendor.TAG_VERSION_NUMBER)]
    initial_date: DateTime
    version_enabled: Annotated[bool, Tagged(vendor.TAG_VERSION_ENABLED)]
