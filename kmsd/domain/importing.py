"""What an imported object is: what the client says of it, as long as that can be true.

"The attribute rules for each attribute for 'Initially set by' and 'When implicitly set' SHALL NOT be enforced as all
attributes MUST be set to the supplied values rather than any server generated values" (KMIP 1.4 §4.41, 2.1 §6.1.25).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kmsd.domain import attribute_rules, lifecycle
from kmsd.domain.cmk import names_cmk
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import AttributeSet, ManagedObject
from protocol.attributes import Attribute
from protocol.enums import ObjectType, ResultReason, State
from protocol.structures import UsageLimits

LONGEST_IDENTIFIER = 128
"""Characters of a Unique Identifier that a client chooses."""

_APART = frozenset({"Unique Identifier", "Object Type", "State"})
"""What an object has beside its attributes."""

_SUPPLIED = (
    "Always Sensitive",
    "Digest",
    "Fresh",
    "Initial Date",
    "Last Change Date",
    "Lease Time",
    "Never Extractable",
    "Short Unique Identifier",
    "Usage Limits",
)
"""What the server says of any new object. That of its protection stays: it is true of where the object is now."""


def check_identifier(uid: str) -> None:
    """Raise KmsError Invalid Field for an identifier that the server could take for something else."""
    if not 0 < len(uid) <= LONGEST_IDENTIFIER:
        raise invalid_field(f"the Unique Identifier has 1 to {LONGEST_IDENTIFIER} characters")
    if not uid.isprintable() or " " in uid:
        # The server's own records have a blank in their names.
        raise invalid_field("the Unique Identifier has characters that are not printed")
    if names_cmk(uid):
        raise invalid_field("identifiers that begin like this are the key service's")


def attributes(supplied: Iterable[Attribute], object_type: ObjectType) -> AttributeSet:
    """The attributes of the request, checked. Raises KmsError as `attribute_rules.imported`, Invalid Field."""
    given = attribute_rules.imported(supplied, object_type)
    # A Unique Identifier among them may be that of the object where it came from.
    if given.get("Object Type", object_type) != object_type:
        raise invalid_field("the Object Type is not that of the object")
    limits: UsageLimits | None = given.get("Usage Limits")
    if limits is not None and not 0 <= (limits.usage_limits_count or 0) <= limits.usage_limits_total:
        raise _impossible("the Usage Limits Count exceeds the total")
    for now, ever, otherwise in (("Sensitive", "Always Sensitive", False), ("Extractable", "Never Extractable", True)):
        if given.get(ever) is True and given.get(now) is otherwise:
            raise _impossible(f"{now} and {ever} contradict each other")
    return given


def as_supplied(key: ManagedObject, given: AttributeSet, now: int) -> ManagedObject:
    """The object with the state and the attributes that came with it, instead of those of a new one.

    Dates that have come take effect. Raises KmsError Invalid Attribute Value: a state that is none, or that is not
    the one of an object with, or without, a Destroy Date and a value.
    """
    found = key.attributes
    for name in _SUPPLIED:
        instances = given.all(name)
        if instances and not _is_without_count(instances[0]):
            found = found.replace_instances(name, instances)
    for name in _APART:
        found = found.remove(name)
    key = key.with_attributes(found)
    state: State | None = given.get("State")
    if state is not None:
        if not state.known:
            raise _impossible("unknown State")
        key = lifecycle.advance(replace(key, state=state), now)
    return _gone(key, now)


def _is_without_count(attribute: Attribute) -> bool:
    """Usage Limits of which nothing is used: they are full."""
    return isinstance(attribute.value, UsageLimits) and attribute.value.usage_limits_count is None


def _gone(key: ManagedObject, now: int) -> ManagedObject:
    """A destroyed object has that state, a date of it, and nothing of a value."""
    dated = lifecycle.is_destroyed(key)
    if key.state is not None and dated != (key.state in lifecycle.DESTROYED):
        if dated:
            raise _impossible("an object with a Destroy Date is Destroyed")
        key, dated = key.set("Destroy Date", now), True
    if not dated:
        return key
    if key.material is not None or lifecycle.REGISTERED.key in key.attributes:
        raise _impossible("a destroyed object has no value")
    return key.set("Key Value Present", None)


def _impossible(message: str) -> KmsError:
    return KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, message)
