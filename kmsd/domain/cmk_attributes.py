"""What a version of a CMK says of its CMK now: vendor attributes that are stored nowhere, and set by nobody.

In 2.x they are the vendor kmsd's, KeyState and DeleteDate; in 1.x the server's custom attributes y-kmsd-KeyState and
y-kmsd-DeleteDate (KMIP 1.4 §3.39, 2.1 §4.60).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kmsd.domain.attribute_rules import OWN_CUSTOM, OWN_VENDOR
from kmsd.domain.cmk import Cmk
from kmsd.domain.objects import AttributeSet
from protocol.attributes import Attribute
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from protocol.versions import V2_0, ProtocolVersion

KEY_STATE = Attribute("KeyState", None, vendor=OWN_VENDOR)
DELETE_DATE = Attribute("DeleteDate", None, vendor=OWN_VENDOR)
_NAMES = {
    key: attribute.name
    for attribute in (KEY_STATE, DELETE_DATE)
    for key in (attribute.key, OWN_CUSTOM + attribute.name)
}


def shown(cmk: Cmk, now: int, version: ProtocolVersion) -> list[Attribute]:
    """As a client of the version reads them; nothing of a CMK that is deleted."""
    return [_in_version(attribute, version) for attribute in _values(cmk, now)]


def searchable(cmk: Cmk, now: int) -> AttributeSet:
    """As `split` gives the conditions of a search."""
    return AttributeSet(_values(cmk, now))


def split(conditions: Iterable[Attribute]) -> tuple[tuple[Attribute, ...], tuple[Attribute, ...]]:
    """(the conditions about these attributes, in the form of 2.x; the others)."""
    ours, others = [], []
    for condition in conditions:
        key = condition.key
        if key in _NAMES:
            ours.append(replace(condition, name=_NAMES[key], vendor=OWN_VENDOR))
        else:
            others.append(condition)
    return tuple(ours), tuple(others)


def _values(cmk: Cmk, now: int) -> Iterable[Attribute]:
    if cmk.is_gone(now):
        return
    yield _with(KEY_STATE, ItemType.TEXT_STRING, cmk.state(now).value)
    if cmk.deletion_date is not None:
        yield _with(DELETE_DATE, ItemType.DATE_TIME, cmk.deletion_date)


def _with(attribute: Attribute, type_: ItemType, value: str | int) -> Attribute:
    return replace(attribute, value=Item(Tag.ATTRIBUTE_VALUE, type_, value))


def _in_version(attribute: Attribute, version: ProtocolVersion) -> Attribute:
    if version >= V2_0:
        return attribute
    return replace(attribute, name=OWN_CUSTOM + attribute.name, vendor=None)
