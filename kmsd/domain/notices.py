"""What has happened to an object, in the words of Notify (KMIP 1.4 §5.1, 2.1 §6.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kmsd.domain.objects import ManagedObject
from kmsd.domain.shown_attributes import visible
from protocol.attributes import Attribute, AttributeReference
from protocol.versions import ProtocolVersion


@dataclass(frozen=True, slots=True)
class Changes:
    """The attributes of an object that have a new value, or none any more."""

    changed: tuple[Attribute, ...]
    deleted: tuple[AttributeReference, ...]

    @property
    def worth_telling(self) -> bool:
        """ "This includes at least the Last Change Date attribute": that one alone says nothing."""
        return bool(self.deleted) or any(attribute.name != "Last Change Date" for attribute in self.changed)


def changes(before: ManagedObject | None, after: ManagedObject, version: ProtocolVersion) -> Changes:
    """What a client of this version sees changed; of a new object that is everything."""
    old = _by_key(visible(before, version) if before is not None else [])
    new = _by_key(visible(after, version))
    changed = tuple(
        attribute
        for key, instances in new.items()
        if key == "Last Change Date" or old.get(key) != instances
        for attribute in instances
    )
    gone = tuple(
        AttributeReference(instances[0].name, instances[0].vendor) for key, instances in old.items() if key not in new
    )
    return Changes(changed, gone)


def _by_key(attributes: list[Attribute]) -> dict[str, list[Attribute]]:
    found: dict[str, list[Attribute]] = {}
    for attribute in attributes:
        found.setdefault(attribute.key, []).append(attribute)
    return found
