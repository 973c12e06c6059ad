"""CMKs: the record that stands beside the versions of a key, and how it is kept.

The record is stored as a managed object of a type of our own, so that one unit of work, the optimistic lock and the
uniqueness of names hold for it as for keys. Clients never see it as an object. Its fields are attributes that the
server keeps for itself; aliases are Names, tags Application Specific Information.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from kmsd.domain.internal import Internal
from kmsd.domain.key_specs import KEY_SPECS, KeySpec, KeyUsage
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from protocol.attributes import Attribute
from protocol.enums import NameType
from protocol.structures import ApplicationSpecificInformation, Name
from protocol.ttlv import ItemType
from protocol.vendor import CMK as CMK_TYPE

ID_PREFIX: Final = "key-"
"""A CMK's identifier is this and 32 hexadecimal digits."""
ALIAS_PREFIX: Final = "alias/"
TAG_NAMESPACE: Final = "kmsd.tag."
DAY: Final = 86400


class Origin(StrEnum):
    """Where the material comes from."""

    KMSD = "KMSD"
    EXTERNAL = "EXTERNAL"


class KeyState(StrEnum):
    """What a CMK is; follows from its record and the time, and is stored nowhere."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"


class RotationState(StrEnum):
    """Whether a CMK is rotated by itself; Suspended while it is not Enabled."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    SUSPENDED = "Suspended"


@dataclass(frozen=True, slots=True)
class Cmk:
    """A customer master key. Dates in POSIX seconds, `rotation_interval` in seconds."""

    uid: str
    tenant: str
    creator: str
    spec: KeySpec
    usage: KeyUsage
    origin: Origin
    protection: ProtectionLevel
    created: int
    description: str = ""
    enabled: bool = True
    primary: str | None = None
    """The newest version: of a pair, the private key. None until material is imported for the first time."""
    versions: int = 0
    minimum_version: int = 1
    last_rotation: int | None = None
    rotation_interval: int | None = None
    rotation_enabled: bool = False
    deletion_date: int | None = None
    deletion_protection: bool = False
    deletion_protection_description: str = ""
    has_material: bool = False
    material_digest: bytes | None = None
    """Of imported material: HMAC-SHA-256, to know the same material again after it is gone."""
    material_expires: int | None = None
    destroyed: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    """(key, value), by key."""
    aliases: tuple[str, ...] = ()
    """With their prefix, in order of their making."""
    declared: str | None = None
    """The name that the configuration declares it by."""
    row: int = 0
    """The version of the stored row, for the optimistic lock."""

    def state(self, now: int) -> KeyState:
        """Imported material that has expired is gone, whether or not somebody has cleared it away yet."""
        if self.deletion_date is not None:
            return KeyState.PENDING_DELETION
        if not self.has_material or (self.material_expires is not None and self.material_expires <= now):
            return KeyState.PENDING_IMPORT
        return KeyState.ENABLED if self.enabled else KeyState.DISABLED

    def is_gone(self, now: int) -> bool:
        """Whether the date of its deletion has come, whether or not it is destroyed yet."""
        return self.destroyed is not None or (self.deletion_date is not None and self.deletion_date <= now)

    def rotation_state(self, now: int) -> RotationState:
        if not self.rotation_enabled:
            return RotationState.DISABLED
        return RotationState.ENABLED if self.state(now) is KeyState.ENABLED else RotationState.SUSPENDED

    @property
    def next_rotation(self) -> int | None:
        """The last rotation and the interval, while automatic rotation is switched on, suspended or not."""
        if not self.rotation_enabled or self.rotation_interval is None:
            return None
        return (self.last_rotation or self.created) + self.rotation_interval

    @property
    def next_event(self) -> int | None:
        """When the scheduler has something to do with it."""
        if self.destroyed is not None:
            return None
        if self.deletion_date is not None:
            dates = [self.deletion_date, self.material_expires if self.has_material else None]
        else:
            runs = self.enabled and self.has_material
            dates = [
                self.next_rotation if runs else None,
                self.material_expires if self.has_material else None,
            ]
        return min((date for date in dates if date is not None), default=None)


# --- how a record is kept


NEXT_EVENT: Final = Internal("Next Event", ItemType.DATE_TIME)
"""What the scheduler searches by."""

_SPEC: Final = Internal("Key Spec", ItemType.TEXT_STRING)
_USAGE: Final = Internal("Key Usage", ItemType.TEXT_STRING)
_ORIGIN: Final = Internal("Origin", ItemType.TEXT_STRING)

# Fields that are kept as they are; what is None is left out.
_FIELDS: Final = {
    "enabled": Internal("Enabled", ItemType.BOOLEAN),
    "primary": Internal("Primary", ItemType.TEXT_STRING),
    "versions": Internal("Versions", ItemType.INTEGER),
    "minimum_version": Internal("Minimum Version", ItemType.INTEGER),
    "last_rotation": Internal("Last Rotation", ItemType.DATE_TIME),
    "rotation_interval": Internal("Rotation Interval", ItemType.LONG_INTEGER),
    "rotation_enabled": Internal("Rotation Enabled", ItemType.BOOLEAN),
    "deletion_date": Internal("Deletion Date", ItemType.DATE_TIME),
    "deletion_protection": Internal("Deletion Protection", ItemType.BOOLEAN),
    "deletion_protection_description": Internal("Deletion Protection Description", ItemType.TEXT_STRING),
    "has_material": Internal("Has Material", ItemType.BOOLEAN),
    "material_digest": Internal("Material Digest", ItemType.BYTE_STRING),
    "material_expires": Internal("Material Expires", ItemType.DATE_TIME),
    "declared": Internal("Declared", ItemType.TEXT_STRING),
}
_KEYS: Final = {name: internal.key for name, internal in _FIELDS.items()}


def to_object(cmk: Cmk) -> ManagedObject:
    """The record as the store keeps it."""
    attributes = [Attribute("Initial Date", cmk.created)]
    attributes += [alias_name(alias, index) for index, alias in enumerate(cmk.aliases)]
    attributes += [
        Attribute("Application Specific Information", _tag(key, value), index)
        for index, (key, value) in enumerate(cmk.tags)
    ]
    if cmk.description:
        attributes.append(Attribute("Description", cmk.description))
    if cmk.destroyed is not None:
        attributes.append(Attribute("Destroy Date", cmk.destroyed))
    attributes += [_SPEC.attribute(cmk.spec.name), _USAGE.attribute(cmk.usage.value), _ORIGIN.attribute(cmk.origin)]
    for name, internal in _FIELDS.items():
        value = getattr(cmk, name)
        if value is not None:
            attributes.append(internal.attribute(value))
    if cmk.next_event is not None:
        attributes.append(NEXT_EVENT.attribute(cmk.next_event))
    return ManagedObject(
        uid=cmk.uid,
        tenant=cmk.tenant,
        owner=cmk.creator,
        object_type=CMK_TYPE,
        protection=cmk.protection,
        state=None,
        attributes=AttributeSet(attributes),
        material=None,
        version=cmk.row,
    )


def from_object(record: ManagedObject) -> Cmk:
    """The CMK of a stored record. Raises KeyError, TypeError or ValueError for what `to_object` never makes."""
    get = record.attributes.get
    fields: dict[str, Any] = {}
    for name, key in _KEYS.items():
        item = get(key)
        if item is not None:
            fields[name] = item.value
    return Cmk(
        uid=record.uid,
        tenant=record.tenant,
        creator=record.owner,
        spec=KEY_SPECS[_SPEC.of(record)],
        usage=KeyUsage(_USAGE.of(record)),
        origin=Origin(_ORIGIN.of(record)),
        protection=record.protection,
        created=get("Initial Date"),
        description=get("Description", ""),
        destroyed=get("Destroy Date"),
        tags=tuple(
            (value.application_namespace.removeprefix(TAG_NAMESPACE), value.application_data or "")
            for value in record.attributes.values("Application Specific Information")
        ),
        aliases=tuple(record.names),
        row=record.version,
        **fields,
    )


def alias_name(alias: str, index: int | None = None) -> Attribute:
    """The Name that an alias is kept as, and found by."""
    return Attribute("Name", Name(name_value=alias, name_type=NameType.UNINTERPRETED_TEXT_STRING), index)


def _tag(key: str, value: str) -> ApplicationSpecificInformation:
    return ApplicationSpecificInformation(application_namespace=TAG_NAMESPACE + key, application_data=value)


def is_record(key: ManagedObject) -> bool:
    """Whether a stored object is a CMK's record, and no object of a client's."""
    return key.object_type == CMK_TYPE


# --- what a version says of its CMK

CMK_ID: Final = Internal("CMK", ItemType.TEXT_STRING)
"""The CMK that an object is a version of; both halves of a pair have it."""
VERSION_NUMBER: Final = Internal("CMK Version", ItemType.INTEGER)
"""From 1 on."""
VERSION_DISABLED: Final = Internal("CMK Version Disabled", ItemType.BOOLEAN)

_CMK_KEY: Final = CMK_ID.key


def cmk_of(key: ManagedObject) -> str | None:
    """The identifier of the CMK that the object is a version of; None for all other objects."""
    item = key.attributes.get(_CMK_KEY)
    return item.value if item is not None else None


def number_of(version: ManagedObject) -> int:
    """Which version of its CMK the object is, from 1 on."""
    return int(VERSION_NUMBER.of(version))


def is_version_disabled(version: ManagedObject) -> bool:
    return bool(VERSION_DISABLED.of(version))


def as_version(key: ManagedObject, cmk: str, number: int) -> ManagedObject:
    """The object as a version of a CMK."""
    attributes = key.attributes.put(CMK_ID.attribute(cmk)).put(VERSION_NUMBER.attribute(number))
    return key.with_attributes(attributes)


def with_version_disabled(version: ManagedObject, disabled: bool) -> ManagedObject:
    if disabled:
        return version.with_attributes(version.attributes.put(VERSION_DISABLED.attribute(True)))
    return version.with_attributes(version.attributes.remove(VERSION_DISABLED.key))


def declared_as(cmk: Cmk, name: str) -> Cmk:
    """The CMK as the one that the configuration declares by this name."""
    return replace(cmk, declared=name)


def names_cmk(identifier: str) -> bool:
    """Whether an identifier in a request is that of a CMK, or an alias."""
    return identifier.startswith((ID_PREFIX, ALIAS_PREFIX))


def total_aliases(cmks: Iterable[Cmk]) -> int:
    return sum(len(cmk.aliases) for cmk in cmks)
