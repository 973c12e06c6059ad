"""Managed objects without their secret: what Register was given beside the material, and Get must give back.

A Certificate Type, the parts of a Split Key and the like are neither attributes nor material. They are kept as the
object itself, encoded with an empty value, in an attribute that nobody sees.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from kmsd.crypto.wrapping import hides_value
from kmsd.domain import lifecycle
from kmsd.domain.attribute_rules import INTERNAL_VENDOR
from kmsd.domain.objects import ManagedObject
from protocol.attributes import Attribute, AttributeReference
from protocol.compiler import decode, encode
from protocol.enums import ObjectType
from protocol.names import Tag
from protocol.objects import (
    OBJECT_CLASSES,
    Certificate,
    CertificateRequest,
    KeyBlock,
    OpaqueObject,
    TemplateObject,
)
from protocol.objects import (
    ManagedObject as WireObject,
)
from protocol.schema import ANY
from protocol.ttlv import Item, ItemType

_SHELL = AttributeReference("Shell", INTERNAL_VENDOR)
_SHELL_KEY = _SHELL.key
_REGISTERED_KEY = lifecycle.REGISTERED.key

VALUE_FIELDS: dict[type[WireObject], str] = {
    Certificate: "certificate_value",
    CertificateRequest: "certificate_request_value",
    OpaqueObject: "opaque_data_value",
}
"""Where objects without a Key Block keep their value."""


def keep(key: ManagedObject, wire: Any) -> ManagedObject:
    """Remember `wire` without its value."""
    field = VALUE_FIELDS.get(type(wire))
    if isinstance(wire, TemplateObject):
        shell: Any = wire
    elif field is not None:
        shell = dataclasses.replace(wire, **{field: b""})
    else:
        block = wire.key_block
        shell = dataclasses.replace(
            wire,
            key_block=KeyBlock(key_format_type=block.key_format_type, key_compression_type=block.key_compression_type),
        )
    item = Item(Tag.ATTRIBUTE_VALUE, ItemType.BYTE_STRING, encode(shell, ANY))
    attribute = Attribute(_SHELL.name, item, vendor=_SHELL.vendor)
    return key.with_attributes(key.attributes.put(attribute))


def keep_registered(key: ManagedObject, wire: Any) -> ManagedObject:
    """Remember `wire` as it came, wrapped: what Get gives as Key Wrap Type As Registered. It is no secret; where it
    was not encrypted, but MACed or signed only, its value is left out."""
    block = wire.key_block
    if not hides_value(block.key_wrapping_data.wrapping_method):
        data = dataclasses.replace(block.key_wrapping_data, mac_signature=None)
        wire = dataclasses.replace(wire, key_block=dataclasses.replace(block, key_value=None, key_wrapping_data=data))
    item = Item(Tag.ATTRIBUTE_VALUE, ItemType.BYTE_STRING, encode(wire, ANY))
    attribute = Attribute(lifecycle.REGISTERED.name, item, vendor=lifecycle.REGISTERED.vendor)
    return key.with_attributes(key.attributes.put(attribute))


def registered(key: ManagedObject) -> Any | None:
    """The object as it was registered wrapped; None for all others."""
    item = key.attributes.get(_REGISTERED_KEY)
    return None if item is None else decode(OBJECT_CLASSES[key.object_type], item.value, ANY)


def restore(key: ManagedObject) -> Any:
    """The object as it was registered, its value still missing; an empty one for keys that were made here."""
    cls = OBJECT_CLASSES[key.object_type]
    item = key.attributes.get(_SHELL_KEY)
    if item is not None:
        return decode(cls, item.value, ANY)
    return cls(key_block=None)  # type: ignore[call-arg]


def whole(key: ManagedObject, field: str, value: Any) -> Any:
    """As `restore`, with the value, which is in this field."""
    if _SHELL_KEY in key.attributes:
        return dataclasses.replace(restore(key), **{field: value})
    return OBJECT_CLASSES[key.object_type](**{field: value})


SHELLED = frozenset(OBJECT_CLASSES) - {ObjectType.SYMMETRIC_KEY, ObjectType.PUBLIC_KEY, ObjectType.PRIVATE_KEY}
"""Types whose objects say more than their Key Block."""
