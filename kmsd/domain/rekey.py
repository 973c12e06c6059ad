"""What a replacement takes over from the object it replaces, and what both say of each other afterwards.

Re-key (KMIP 1.4 §4.4, 2.1 §6.1.46), Re-key Key Pair (§4.5, §6.1.47), Re-certify (§4.8, §6.1.45) and the rotation of
KMIP 2.1 §4.48-4.54 are one thing with different materials.
"""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain import lifecycle, making
from kmsd.domain.attribute_rules import check_dates
from kmsd.domain.encryptions import RESERVED
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from protocol.attributes import Attribute, spec_of
from protocol.enums import LinkType, ObjectType, ResultReason
from protocol.structures import Link

# KMIP 1.4 Tables 173, 177, 187: set anew, or not at all. Names are moved, and go through `take_over`.
_NOT_COPIED = frozenset(
    {
        "Archive Date",
        "Compromise Date",
        "Compromise Occurrence Date",
        "Destroy Date",
        "Digest",
        "Initial Date",
        "Last Change Date",
        "Lease Time",
        "Link",
        "Name",
        "Random Number Generator",
        "Revocation Reason",
        # Follow from what the replacement is, not from what the replaced object was.
        "Always Sensitive",
        "Fresh",
        "Key Format Type",
        "Key Value Location",
        "Key Value Present",
        "Never Extractable",
        "Original Creation Date",
        "Protection Level",
        "Protection Storage Mask",
        "Rotate Date",
        "Rotate Generation",
        "Rotate Latest",
        "Short Unique Identifier",
        # New material begins to count anew.
        RESERVED.key,
    }
)

DATES = ("Activation Date", "Process Start Date", "Protect Stop Date", "Deactivation Date")
_LATER_DATES = DATES[1:]

_PROTECTION = frozenset({"Protection Level", making.PROTECTION_ATTRIBUTE})


def check_replaceable(key: ManagedObject) -> None:
    """Raise KmsError where nothing can take the object's place.

    Object Destroyed; Key Value Not Present; Permission Denied where it has been replaced: "SHOULD only be performed
    once on a given key" (KMIP 1.4 §4.4), and of two requests at once only one may win the name.
    """
    if lifecycle.is_destroyed(key):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    if key.material is None:
        raise KmsError(ResultReason.KEY_VALUE_NOT_PRESENT, "the object has no key value")
    if linked(key, LinkType.REPLACEMENT_OBJECT_LINK) is not None:
        raise KmsError(ResultReason.PERMISSION_DENIED, "the object has been replaced already")


def inherited(
    old: ManagedObject, asked: AttributeSet, offset: int | None, now: int, *, names_first: bool = True
) -> AttributeSet:
    """The attributes that a replacement begins with: those of `old`, and over them what the client asks for.

    `offset` in seconds, None where the request has none; `now` in POSIX seconds. `names_first`: whether the names of
    `old` come before those asked for.

    Raises KmsError: Invalid Message (an offset beside dates), Illegal Operation (an offset, and dates without an
    Activation Date to move them by), Invalid Field (another algorithm or curve), Invalid Attribute Value (dates out
    of order).
    """
    _check_kind(old, asked)
    dates = _dates(old, asked, offset, now)
    result = AttributeSet()
    asks_for_protection = any(name in asked for name in _PROTECTION)
    for attribute in old.attributes:
        name = attribute.key
        if name in _NOT_COPIED or name in dates or (asks_for_protection and name in _PROTECTION):
            continue
        if name not in asked or _is_multiple(attribute):
            result = result.replace_instances(name, (*result.all(name), attribute))
    for name, value in dates.items():
        result = result.set(name, value)
    names = old.attributes.all("Name")
    for attribute in (*names, *asked) if names_first else (*asked, *names):
        spec = spec_of(attribute.key)
        if spec is not None and spec.name and not spec.multiple:
            result = result.set(attribute.key, attribute.value)
        elif attribute.value not in result.values(attribute.key):
            result = result.add(attribute)
    check_dates(result)
    return result


def _is_multiple(attribute: Attribute) -> bool:
    """Whether old and new instances are united (KMIP 1.4 §4.2); custom ones that are asked for replace the old."""
    spec = spec_of(attribute.key)
    return spec is not None and bool(spec.name) and spec.multiple


def _check_kind(old: ManagedObject, asked: AttributeSet) -> None:
    """The length may grow, the kind stays: another algorithm or curve is another key and no replacement."""
    parameters = asked.get("Cryptographic Domain Parameters")
    curve = parameters.recommended_curve if parameters is not None else None
    if asked.get("Cryptographic Algorithm", old.algorithm) != old.algorithm or curve not in (None, old.curve):
        raise KmsError(ResultReason.INVALID_FIELD, "a replacement has the algorithm and curve of what it replaces")


def for_protection(
    attributes: AttributeSet, asked: AttributeSet, old: ManagedObject, level: ProtectionLevel
) -> AttributeSet:
    """The inherited attributes for a replacement at `level`: one that moves into the HSM is what HSM keys are."""
    if level is not ProtectionLevel.HSM or old.protection is level:
        return attributes
    for name, value in (("Sensitive", True), ("Extractable", False)):
        if name not in asked:
            attributes = attributes.set(name, value)
    return attributes


def _dates(old: ManagedObject, asked: AttributeSet, offset: int | None, now: int) -> dict[str, int]:
    """KMIP 1.4 Tables 172, 176, 186: what Offset makes of the dates of the old object."""
    if offset is None:
        return {}
    if any(name in asked for name in DATES):
        raise KmsError(ResultReason.INVALID_MESSAGE, "an Offset and a date are given")
    activation = old.attributes.get("Activation Date")
    later = {name: date for name in _LATER_DATES if (date := old.attributes.get(name)) is not None}
    if activation is None and later:
        raise KmsError(
            ResultReason.ILLEGAL_OPERATION, "an Offset moves no dates of an object that has no Activation Date"
        )
    moved = {"Activation Date": now + offset}
    for name, date in later.items():
        moved[name] = date + (now + offset - activation)
    return moved


def take_over(old: ManagedObject, new: ManagedObject, now: int) -> tuple[ManagedObject, ManagedObject]:
    """(old, new) once `new` has taken the place of `old`: names, links, and the attributes of rotation.

    Rotate Generation counts "the number of [...] operations that have occurred in order to create this Managed
    Object" (KMIP 2.1 §4.50), so it and the date are the replacement's.
    """
    generation = old.attributes.get("Rotate Generation", 0) + 1
    new = link(new, LinkType.REPLACED_OBJECT_LINK, old.uid)
    new = new.with_attributes(
        new.attributes.set("Rotate Generation", generation).set("Rotate Date", now).set("Rotate Latest", True)
    )
    old = link(old, LinkType.REPLACEMENT_OBJECT_LINK, new.uid)
    old = old.with_attributes(old.attributes.remove("Name").set("Rotate Latest", False))
    return old, new


# --- links


def link(key: ManagedObject, link_type: LinkType, uid: str) -> ManagedObject:
    """The object with this link beside those it has."""
    value = Link(link_type=link_type, linked_object_identifier=uid)
    return key.with_attributes(key.attributes.add(Attribute("Link", value)))


def relink(key: ManagedObject, link_type: LinkType, before: str, after: str) -> ManagedObject:
    """The object with its link of this type to `before` pointing to `after`; made where there was none."""
    old, new = (Link(link_type=link_type, linked_object_identifier=uid) for uid in (before, after))
    present = key.attributes.all("Link")
    if all(attribute.value != old for attribute in present):
        return link(key, link_type, after)
    moved = tuple(replace(a, value=new) if a.value == old else a for a in present)
    return key.with_attributes(key.attributes.replace_instances("Link", moved))


def linked(key: ManagedObject, link_type: LinkType) -> str | None:
    """The identifier that the first link of this type points to."""
    for value in key.attributes.values("Link"):
        if value.link_type == link_type and isinstance(value.linked_object_identifier, str):
            return value.linked_object_identifier
    return None


def check_type(key: ManagedObject, object_type: ObjectType) -> None:
    """Raise KmsError Invalid Object Type."""
    if key.object_type != object_type:
        name = object_type.name.replace("_", " ").title()
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, f"the object is not a {name}")
