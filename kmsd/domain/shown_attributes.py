"""What an object shows of itself, to clients of each version."""

from __future__ import annotations

from collections.abc import Iterable

from kmsd.domain.attribute_rules import INTERNAL_VENDOR
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from protocol.attributes import Attribute, AttributeReference, spec_of
from protocol.enums import ResultReason
from protocol.versions import V1_4, ProtocolVersion


def visible(key: ManagedObject, version: ProtocolVersion, more: Iterable[Attribute] = ()) -> list[Attribute]:
    """Every attribute that a client of this version may see; `more` are not stored with the object."""
    shown = [Attribute("Unique Identifier", key.uid), Attribute("Object Type", key.object_type)]
    if key.state is not None:
        shown.append(Attribute("State", key.state))
    shown.extend(key.attributes)
    shown.extend(more)
    return [attribute for attribute in shown if _in_version(attribute, version)]


def _in_version(attribute: Attribute, version: ProtocolVersion) -> bool:
    if attribute.vendor == INTERNAL_VENDOR:
        return False
    if attribute.vendor is not None:
        # 1.x has no place for other vendors' attributes.
        return version > V1_4
    spec = spec_of(attribute.name)
    return spec is not None and spec.in_version(version)


def chosen(
    key: ManagedObject,
    references: Iterable[AttributeReference],
    version: ProtocolVersion,
    more: Iterable[Attribute] = (),
) -> list[Attribute]:
    """The attributes asked for, of those that are `visible`; what is not set is left out, and no reference at all
    means every attribute.

    Raises KmsError Invalid Message where one is asked for twice (KMIP 1.4 §11.13).
    """
    everything = visible(key, version, more)
    wanted = [reference.key for reference in references]
    if not wanted:
        return everything
    if len(set(wanted)) != len(wanted):
        raise KmsError(ResultReason.INVALID_MESSAGE, "an attribute is asked for twice")
    by_key: dict[str, list[Attribute]] = {}
    for attribute in everything:
        by_key.setdefault(attribute.key, []).append(attribute)
    return [attribute for name in wanted for attribute in by_key.get(name, ())]
