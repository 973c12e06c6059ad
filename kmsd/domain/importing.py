"""Objects that arrive with a life behind them: what Import lets them say of themselves (KMIP 1.4 §4.41, 2.1 §6.1.25).

"All attributes MUST be set to the supplied values rather than any server generated values": but an object must not say
what its own material, place or dates contradict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from kmsd.domain import attribute_rules, lifecycle
from kmsd.domain.cmk import names_cmk
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import AttributeSet, ManagedObject
from protocol.attributes import Attribute
from protocol.enums import ObjectType, ResultReason, State

_IDENTIFIER = re.compile("[!-~]{1,128}")

# What an object has beside its attributes.
_APART = ("State", "Unique Identifier", "Object Type")

# What follows from the material as it is kept here, and from where it is kept.
_FOUND_HERE = frozenset(
    {
        "Cryptographic Algorithm",
        "Cryptographic Length",
        "Digest",
        "Key Format Type",
        "Key Value Present",
        "Protection Level",
        "Protection Storage Mask",
    }
)

# One that says it has always been so cannot be otherwise now.
_ALWAYS = (("Sensitive", "Always Sensitive", False), ("Extractable", "Never Extractable", True))


def check_identifier(uid: str) -> None:
    """Raise KmsError Invalid Field for an identifier that is none: 1 to 128 visible characters of ASCII, no CMK's."""
    if not _IDENTIFIER.fullmatch(uid) or names_cmk(uid):
        raise invalid_field("an identifier has 1 to 128 visible characters of ASCII, and is not like that of a CMK")


def attributes(supplied: Iterable[Attribute], object_type: ObjectType) -> AttributeSet:
    """The attributes that an object comes with, checked.

    Raises KmsError as `attribute_rules.imported`; Invalid Field (another Object Type); Invalid Attribute Value for
    what cannot be true.
    """
    given = attribute_rules.imported(supplied, object_type)
    if given.get("Object Type", object_type) != object_type:
        raise invalid_field("the Object Type is not that of the object")
    state = given.get("State")
    if state is not None and not state.known:
        raise _impossible("unknown State")
    for now, always, otherwise in _ALWAYS:
        if given.get(now) is otherwise and given.get(always):
            raise _impossible(f"{now} contradicts {always}")
    limits = given.get("Usage Limits")
    if limits is not None:
        count = limits.usage_limits_count
        if count is not None and not 0 <= count <= limits.usage_limits_total:
            raise _impossible("the Usage Limits have more left than their total")
        given = given.set("Usage Limits", limits if count is not None else attribute_rules.full(limits))
    return given


def as_supplied(key: ManagedObject, given: AttributeSet, now: int) -> ManagedObject:
    """The object, complete, with what it was said to be in the place of what a new one would be.

    Raises KmsError Invalid Attribute Value for a destroyed object that has a value.
    """
    found = key.attributes
    for name in _APART:
        found = found.remove(name)
    for name, instances in given.items():
        if name not in _APART and not (name in _FOUND_HERE and name in found):
            found = found.replace_instances(name, instances)
    state = given.get("State")
    if state is None and "Destroy Date" in found:
        state = State.DESTROYED
    key = replace(key, attributes=found, state=key.state if state is None or key.state is None else state)
    if key.state not in lifecycle.DESTROYED and "Destroy Date" not in found:
        return key
    if key.material is not None or lifecycle.REGISTERED.key in found:
        raise _impossible("a destroyed object has no value")
    return key if "Destroy Date" in found else key.set("Destroy Date", now)


def _impossible(message: str) -> KmsError:
    return KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, message)
