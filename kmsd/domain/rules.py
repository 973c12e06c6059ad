"""What a tenant's administrators ask of its new objects by KMIP itself: Constraints and Object Defaults (2.1 §7.6,
§7.22)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import Any

from kmsd.domain.errors import KmsError
from kmsd.domain.objects import AttributeSet, ManagedObject
from protocol.administration import Constraint, Constraints, DefaultsInformation, ObjectDefaults, ObjectGroups
from protocol.enums import ObjectType, ResultReason


def check_constraints(constraints: Constraints, key: ManagedObject) -> None:
    """Raise KmsError Constraint Violation for a new object that satisfies none of the constraints upon it.

    Those of one of its Object Groups take the place of those of no group. Several are alternatives: as conditions
    that must all hold, two lengths for one object type would forbid that type.
    """
    upon = [
        c for c in constraints.constraints if c.object_types is None or key.object_type in c.object_types.object_types
    ]
    groups = key.attributes.values("Object Group")
    applicable = [c for c in upon if c.object_groups is not None and _shares(c.object_groups, groups)]
    applicable = applicable or [c for c in upon if c.object_groups is None]
    if applicable and not any(_satisfies(key, constraint) for constraint in applicable):
        raise KmsError(
            ResultReason.CONSTRAINT_VIOLATION, "the object does not meet the constraints that were set for its type"
        )


def _shares(groups: ObjectGroups, of: Iterable[Any]) -> bool:
    return any(group in groups.object_groups for group in of)


def _satisfies(key: ManagedObject, constraint: Constraint) -> bool:
    wanted: dict[str, list[Any]] = {}
    for attribute in constraint.attributes or ():
        wanted.setdefault(attribute.key, []).append(attribute.value)
    return all(
        any(_fits(present, value) for present in key.attributes.values(name) for value in values)
        for name, values in wanted.items()
    )


def _fits(present: Any, wanted: Any) -> bool:
    """The same value; of a mask no more than is wanted."""
    if isinstance(wanted, IntFlag):
        return not int(present) & ~int(wanted)
    return bool(present == wanted)


def defaulted(attributes: AttributeSet, defaults: DefaultsInformation, object_type: ObjectType) -> AttributeSet:
    """The attributes of a new object with the defaults for what the client left out; those for one of its Object
    Groups first."""
    groups = attributes.values("Object Group")
    mine = [entry for entry in defaults.object_defaults if object_type in types_of(entry)]
    special = [entry for entry in mine if entry.object_groups is not None and _shares(entry.object_groups, groups)]
    for entry in special + [entry for entry in mine if entry.object_groups is None]:
        attributes = _with_defaults(attributes, entry)
    return attributes


def types_of(entry: ObjectDefaults) -> tuple[ObjectType, ...]:
    """The types of objects that these defaults are for."""
    if entry.object_types is not None:
        return entry.object_types.object_types
    return () if entry.object_type is None else (entry.object_type,)


def _with_defaults(attributes: AttributeSet, entry: ObjectDefaults) -> AttributeSet:
    given = set(attributes.keys())
    values = {attribute.key: attribute.value for attribute in entry.attributes}
    algorithm = attributes.get("Cryptographic Algorithm")
    if algorithm is not None and values.get("Cryptographic Algorithm", algorithm) != algorithm:
        # The length and parameters of another algorithm.
        given |= {name for name in values if name.startswith("Cryptographic ") and name != "Cryptographic Usage Mask"}
    for attribute in entry.attributes:
        if attribute.key not in given:
            attributes = attributes.add(attribute) if attribute.key in attributes else attributes.put(attribute)
    return attributes
