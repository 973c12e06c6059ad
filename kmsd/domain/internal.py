"""Attributes that the server keeps for itself: no client reads them, sets them or searches by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kmsd.domain.attribute_rules import INTERNAL_VENDOR
from kmsd.domain.objects import ManagedObject
from protocol.attributes import Attribute, AttributeReference
from protocol.names import Tag
from protocol.ttlv import Item, ItemType


@dataclass(frozen=True, slots=True)
class Internal:
    """One of them, with the type of its value."""

    name: str
    type: ItemType

    @property
    def key(self) -> str:
        return AttributeReference(self.name, INTERNAL_VENDOR).key

    def attribute(self, value: Any) -> Attribute:
        return Attribute(self.name, Item(Tag.ATTRIBUTE_VALUE, self.type, value), vendor=INTERNAL_VENDOR)

    def of(self, key: ManagedObject) -> Any:
        item = key.attributes.get(self.key)
        return item.value if item is not None else None
