"""Who may set, change and delete which attribute.

The table of attributes is protocol.attributes.ATTRIBUTES; the rules around it stand here (KMIP 1.4 §3 and
§4.13-4.17, KMIP 2.1 §4 and §6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from kmsd.domain import lifecycle, quantum
from kmsd.domain.attribute_values import CHECKS
from kmsd.domain.errors import KmsError, wrong_state
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel, single
from protocol.attributes import ATTRIBUTES, CUSTOM, Attribute, AttributeReference, AttributeSpec, spec_of
from protocol.enums import ObjectType, ResultReason, State
from protocol.structures import UsageLimits
from protocol.ttlv import Item

INTERNAL_VENDOR = "-"
"""What the server keeps with an object and shows nobody, such as the shell of a registered object."""

OWN_VENDOR = "kmsd"
OWN_CUSTOM = "y-kmsd-"
"""What the server computes and says to clients of 2.x and 1.x: nobody else puts anything there."""

_JOINT = "\x1f"

CMK_KEY = AttributeReference("CMK", INTERNAL_VENDOR).key
"""What a version of a CMK has, and nothing else."""
IMPORT_KEY = AttributeReference("Import For", INTERNAL_VENDOR).key
"""What the wrapping key of an import has, and nothing else."""

_FIXED_BY_CMK = frozenset(
    {
        "Activation Date",
        "Cryptographic Usage Mask",
        "Extractable",
        "Process Start Date",
        "Protect Stop Date",
        "Rotate Name",
        "Sensitive",
    }
)
"""What the CMK says of its versions, and no client of one."""


def _is_posing(attribute: Attribute | AttributeReference) -> bool:
    """Whether the name could be taken for another vendor's attribute: keys join vendor and name by this character,
    so that a 1.x name with it would reach what its client cannot name."""
    return _JOINT in attribute.name or _JOINT in (attribute.vendor or "")


def check_asked(attributes: Iterable[Attribute]) -> None:
    """Raise KmsError Invalid Field where a client searches by what it cannot name: the server's own attributes."""
    for attribute in attributes:
        if attribute.vendor == INTERNAL_VENDOR or _is_posing(attribute):
            raise KmsError(ResultReason.INVALID_FIELD, f"no attribute {attribute.name!r}")


# "Initially set by Server", says the specification, and has clients state them when they create or register.
_STATED_AT_CREATION = frozenset(
    {
        "Cryptographic Algorithm",
        "Cryptographic Length",
        "Certificate Type",
        "Digital Signature Algorithm",
        "Key Format Type",
        "Opaque Data Type",
    }
)

# A date moves only while what it stands for has not happened (KMIP 1.4 §3.24-3.27).
_STATES_TO_CHANGE: Mapping[str, frozenset[State]] = {
    "Activation Date": frozenset({State.PRE_ACTIVE}),
    "Process Start Date": frozenset({State.PRE_ACTIVE, State.ACTIVE}),
    "Protect Stop Date": frozenset({State.PRE_ACTIVE, State.ACTIVE}),
    "Deactivation Date": frozenset({State.PRE_ACTIVE, State.ACTIVE}),
}

_OPEN_AT_CREATION = frozenset(
    name for name, spec in ATTRIBUTES.items() if spec.set_by != "server" or name in _STATED_AT_CREATION
)
"""What a client may say of a new object, custom attributes aside."""

MOST_ATTRIBUTES = 512
"""What one request gives a new object; comparing the values of one attribute takes quadratic time."""

PROTECTION = frozenset({"Protection Level", "x-kmsd-ProtectionLevel"})
"""Where the key is, asked for when it is made. It stays there, so what these say of it must stay true."""

_FIXED_IN_HSM: Mapping[str, bool] = {"Sensitive": True, "Extractable": False}
"""What an HSM key says of itself is what the token does: no client turns it."""


def _known(attribute: Attribute | AttributeReference) -> AttributeSpec | None:
    """The table's row; None for a custom attribute. Raises KmsError: Invalid Attribute (unknown), Attribute Read Only
    (what is for the server alone)."""
    if attribute.vendor is None and attribute.name in ATTRIBUTES:
        return ATTRIBUTES[attribute.name]
    spec = spec_of(attribute.key)
    if spec is None or _is_posing(attribute):
        raise KmsError(ResultReason.INVALID_ATTRIBUTE, f"unknown attribute {attribute.name!r}")
    if attribute.vendor in (INTERNAL_VENDOR, OWN_VENDOR) or attribute.name.startswith(OWN_CUSTOM):
        raise _read_only(attribute)
    return None if spec is CUSTOM else spec


def _spec(attribute: Attribute | AttributeReference) -> AttributeSpec | None:
    """As `_known`, where clients set attributes: `y-...` and the like are the server's (KMIP 1.4 §3.39)."""
    spec = _known(attribute)
    if spec is None and attribute.name.startswith("y-"):
        raise _read_only(attribute)
    return spec


def _read_only(attribute: Attribute | AttributeReference) -> KmsError:
    return KmsError(ResultReason.ATTRIBUTE_READ_ONLY, f"{attribute.name} is the server's to set")


def _check_value(attribute: Attribute, spec: AttributeSpec | None, object_type: ObjectType) -> None:
    if spec is None:
        return
    name = spec.name
    if isinstance(attribute.value, Item):
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, f"{name}: the value has the wrong type")
    if name in CHECKS:
        CHECKS[name](attribute)
    if name not in _applicable(object_type):
        raise KmsError(ResultReason.UNSUPPORTED_ATTRIBUTE, f"{name} does not apply to {_name(object_type)} objects")


def _checked(attribute: Attribute, object_type: ObjectType) -> AttributeSpec | None:
    """The row of an attribute that an object of the type may have with this value. Raises KmsError."""
    spec = _known(attribute)
    _check_value(attribute, spec, object_type)
    return spec


# Most attributes are one number, and most requests give the same ones. typed: True is not 1.
@lru_cache(maxsize=1024, typed=True)
def _checked_number(name: str, value: int, object_type: ObjectType) -> AttributeSpec | None:
    return _checked(Attribute(name, value), object_type)


@lru_cache(maxsize=64)
def _applicable(object_type: ObjectType) -> frozenset[str]:
    """The names of the attributes that an object of the type may have."""
    return frozenset(name for name, spec in ATTRIBUTES.items() if spec.applies_to(object_type))


def _name(object_type: ObjectType) -> str:
    return object_type.name.replace("_", " ").title()


def new(attributes: Iterable[Attribute], object_type: ObjectType) -> AttributeSet:
    """The attributes that a client gives a new object.

    Raises KmsError: Invalid Attribute (unknown), Attribute Read Only (the server's), Attribute Single Valued,
    Unsupported Attribute, Invalid Attribute Value.
    """
    attributes = list(attributes)
    for attribute in attributes[:MOST_ATTRIBUTES]:
        if attribute.vendor is None and attribute.name in _OPEN_AT_CREATION:
            continue
        if _spec(attribute) is not None:
            raise _read_only(attribute)
    return imported(attributes, object_type)


def imported(attributes: Iterable[Attribute], object_type: ObjectType) -> AttributeSet:
    """The attributes that an object comes with from elsewhere, whoever sets them otherwise (KMIP 1.4 §4.41).

    Raises KmsError as `new`, except for attributes that only a server sets.
    """
    by_key: dict[str, tuple[Attribute, ...]] = {}
    for number, attribute in enumerate(attributes):
        if number >= MOST_ATTRIBUTES:
            raise KmsError(ResultReason.INVALID_FIELD, f"more than {MOST_ATTRIBUTES} attributes")
        if isinstance(attribute.value, int) and attribute.vendor is None:
            spec = _checked_number(attribute.name, attribute.value, object_type)
        else:
            spec = _checked(attribute, object_type)
        if spec is not None and not spec.multiple:
            if spec.name in by_key:
                raise KmsError(ResultReason.ATTRIBUTE_SINGLE_VALUED, f"{spec.name} is given twice")
            by_key[spec.name] = single(spec.name, attribute.value)
            continue
        key = attribute.key
        present = by_key.get(key, ())
        if spec is None or all(other.value != attribute.value for other in present):
            by_key[key] = (*present, Attribute(attribute.name, attribute.value, len(present), attribute.vendor))
    result = AttributeSet.of(by_key)
    check_dates(result)
    quantum.check(result)
    return result


_ORDER_OF_DATES = (
    ("Activation Date", "Process Start Date"),
    ("Activation Date", "Protect Stop Date"),
    ("Activation Date", "Deactivation Date"),
    ("Process Start Date", "Deactivation Date"),
    ("Protect Stop Date", "Deactivation Date"),
)
_LATER_DATES = frozenset(later for _, later in _ORDER_OF_DATES)


def check_dates(attributes: AttributeSet) -> None:
    """The order that KMIP 1.4 §3.25-3.27 demands: activation, process start; protect stop, deactivation."""
    if not attributes.has_any(_LATER_DATES):
        return
    for earlier, later in _ORDER_OF_DATES:
        first, second = attributes.get(earlier), attributes.get(later)
        if first is not None and second is not None and first > second:
            raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, f"the {later} lies before the {earlier}")


def _changeable(key: ManagedObject, attribute: Attribute | AttributeReference, now: int) -> AttributeSpec | None:
    spec = _spec(attribute)
    if attribute.key in PROTECTION:
        said = key.attributes.get(attribute.key)
        if not isinstance(attribute, Attribute) or said is None or attribute.value != said:
            raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, "a key stays under the protection it was made with")
    if spec is None:
        return None
    if spec.name in _FIXED_BY_CMK and (CMK_KEY in key.attributes or IMPORT_KEY in key.attributes):
        raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, f"the {spec.name} of this key is its CMK's to say")
    if lifecycle.is_destroyed(key):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    states = _STATES_TO_CHANGE.get(spec.name)
    if states is not None and key.state not in states:
        raise wrong_state(f"the {spec.name} is no longer open to change")
    if spec.name in ("Process Start Date", "Protect Stop Date"):
        reached = key.attributes.get(spec.name)
        if reached is not None and reached <= now:
            raise wrong_state(f"the {spec.name} has passed")
    if spec.name == "Usage Limits":
        limits = key.attributes.get(spec.name)
        if limits is not None and limits.usage_limits_count != limits.usage_limits_total:
            # KMIP 1.4 §3.21: the total "SHALL NOT be changed once the object begins to be used".
            raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, "some of the Usage Limits is used: they stay as they are")
    return spec


def _guard_hsm(key: ManagedObject, attribute: Attribute) -> None:
    fixed = _FIXED_IN_HSM.get(attribute.name) if key.object_type is not ObjectType.PUBLIC_KEY else None
    if key.protection is ProtectionLevel.HSM and fixed is not None and attribute.value is not fixed:
        raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, f"{attribute.name} of an HSM key is {fixed} and stays so")


def add(key: ManagedObject, attribute: Attribute, now: int) -> ManagedObject:
    """Add Attribute (KMIP 1.4 §4.14): a new instance, or the first value.

    Raises KmsError: Attribute Single Valued, Attribute Read Only, Invalid Field (an index is given).
    """
    if attribute.index is not None:
        raise KmsError(ResultReason.INVALID_FIELD, "a new attribute has no Attribute Index")
    spec = _changeable(key, attribute, now)
    _check_value(attribute, spec, key.object_type)
    if spec is not None:
        if spec.set_by == "server":
            raise KmsError(ResultReason.READ_ONLY_ATTRIBUTE, f"{spec.name} is the server's to set")
        if not spec.multiple and spec.name in key.attributes:
            raise KmsError(ResultReason.ATTRIBUTE_SINGLE_VALUED, f"{spec.name} has a value already")
        _guard_hsm(key, attribute)
        if not spec.multiple:
            return _applied(key, key.attributes.set(spec.name, _initial(attribute)), now)
    if attribute.value in key.attributes.values(attribute.key):
        if attribute.name == "Name":
            raise KmsError(ResultReason.NON_UNIQUE_NAME_ATTRIBUTE, "the name is in use, by this object")
        raise KmsError(ResultReason.ATTRIBUTE_SINGLE_VALUED, f"{attribute.name} has this value already")
    return _applied(key, key.attributes.add(attribute), now)


def _initial(attribute: Attribute) -> Any:
    """The first value of an attribute: the count of Usage Limits starts at the total (KMIP 1.4 §3.21)."""
    if isinstance(attribute.value, UsageLimits):
        return full(attribute.value)
    return attribute.value


def full(limits: UsageLimits) -> UsageLimits:
    """Usage Limits of which nothing is used yet, whatever count the client says."""
    return replace(limits, usage_limits_count=limits.usage_limits_total)


def modify(key: ManagedObject, attribute: Attribute, current: Attribute | None, now: int) -> ManagedObject:
    """Modify Attribute (KMIP 1.4 §4.15, 2.1 §6.1.34): one instance that is there gets a new value.

    The instance is the one with the index (1.x), or with the value of `current` (2.x), or the only one.
    """
    spec = _changeable(key, attribute, now)
    _check_value(attribute, spec, key.object_type)
    if spec is not None and not spec.modifiable_by_client:
        raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, f"{spec.name} is not open to change")
    _guard_hsm(key, attribute)
    present = key.attributes.all(attribute.key)
    if not present:
        raise KmsError(ResultReason.ATTRIBUTE_NOT_FOUND, f"{attribute.name} has no value yet")
    position = _position(present, attribute.index, current)
    changed = list(present)
    changed[position] = replace(present[position], value=_initial(attribute))
    return _applied(key, key.attributes.replace_instances(attribute.key, tuple(changed)), now)


def set_(key: ManagedObject, attribute: Attribute, now: int) -> ManagedObject:
    """Set Attribute (KMIP 2.1 §6.1.51): a single-valued attribute, there or not, has this value now."""
    spec = _changeable(key, attribute, now)
    _check_value(attribute, spec, key.object_type)
    _guard_hsm(key, attribute)
    if spec is not None:
        if spec.multiple:
            raise KmsError(ResultReason.MULTI_VALUED_ATTRIBUTE, f"{spec.name} may have several values")
        allowed = spec.modifiable_by_client if spec.name in key.attributes else spec.set_by != "server"
        if not allowed:
            raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, f"{spec.name} is the server's to set")
    return _applied(key, key.attributes.put(replace(attribute, index=None, value=_initial(attribute))), now)


def delete(
    key: ManagedObject, reference: AttributeReference, index: int | None, current: Attribute | None, now: int
) -> tuple[ManagedObject, Attribute]:
    """Delete Attribute (KMIP 1.4 §4.16, 2.1 §6.1.13): the object without it, and the instance that is gone."""
    spec = _changeable(key, reference, now)
    if spec is not None and not spec.deletable_by_client:
        raise KmsError(ResultReason.ATTRIBUTE_READ_ONLY, f"{spec.name} may not be deleted")
    present = key.attributes.all(reference.key)
    if not present:
        raise KmsError(ResultReason.ATTRIBUTE_NOT_FOUND, f"{reference.name} has no value")
    if index is None and current is None:
        if len(present) > 1 and key is not None:
            # 2.x: a reference stands for every instance; 1.x: an omitted index is 0 (KMIP 1.4 §2.1.1).
            return _applied(key, key.attributes.remove(reference.key), now), present[0]
        position = 0
    else:
        position = _position(present, index, current)
    rest = present[:position] + present[position + 1 :]
    return _applied(key, key.attributes.replace_instances(reference.key, rest), now), present[position]


def _position(present: tuple[Attribute, ...], index: int | None, current: Attribute | None) -> int:
    if current is not None:
        wanted: Any = current.value
        for position, attribute in enumerate(present):
            if attribute.value == wanted:
                return position
        raise KmsError(ResultReason.ATTRIBUTE_INSTANCE_NOT_FOUND, "no instance has this value")
    for position, attribute in enumerate(present):
        if (attribute.index or 0) == (index or 0):
            return position
    raise KmsError(ResultReason.ATTRIBUTE_INSTANCE_NOT_FOUND, f"no instance has the index {index}")


def _applied(key: ManagedObject, attributes: AttributeSet, now: int) -> ManagedObject:
    """The change with what follows from it: ordered dates, dates that have come, the history of Sensitive and
    Extractable (KMIP 1.4 §3.49, §3.51)."""
    check_dates(attributes)
    quantum.check(attributes)
    if attributes.get("Sensitive") is False:
        attributes = attributes.set("Always Sensitive", False)
    if attributes.get("Extractable") is True:
        attributes = attributes.set("Never Extractable", False)
    return lifecycle.advance(key.with_attributes(attributes), now)
