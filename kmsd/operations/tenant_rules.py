"""Where the Constraints and Object Defaults of a tenant are kept: with the objects, so that a change of them is
committed, undone and audited as any other.

The object that holds them belongs to a tenant of which nobody is a client: a tenant's name has no blank.
"""

from __future__ import annotations

from functools import lru_cache

from kmsd.domain import attribute_rules, rules
from kmsd.domain.attribute_rules import INTERNAL_VENDOR
from kmsd.domain.errors import invalid_field
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.operations.context import Context
from protocol.administration import Constraints, DefaultsInformation
from protocol.attributes import Attribute, AttributeReference, spec_of
from protocol.compiler import decode, encode
from protocol.enums import ObjectType, Operation
from protocol.names import Tag
from protocol.ttlv import Item, ItemType
from protocol.versions import V2_1

_CONSTRAINTS = AttributeReference("Constraints", INTERNAL_VENDOR)
_DEFAULTS = AttributeReference("Defaults", INTERNAL_VENDOR)
MAX_SIZE = 64 * 1024
"""Bytes of either: they are looked into for each new object."""

NO_CONSTRAINTS = Constraints()
NO_DEFAULTS = DefaultsInformation()


def constraints(ctx: Context) -> Constraints:
    """What new objects of this tenant must satisfy."""
    value = _value(ctx, _CONSTRAINTS)
    return NO_CONSTRAINTS if value is None else _read_constraints(value)


def defaults(ctx: Context) -> DefaultsInformation:
    """What new objects of this tenant have where the client says nothing."""
    value = _value(ctx, _DEFAULTS)
    return NO_DEFAULTS if value is None else _read_defaults(value)


FACTORIES = frozenset(
    {Operation.CREATE, Operation.CREATE_KEY_PAIR, Operation.CREATE_SPLIT_KEY, Operation.DERIVE_KEY, Operation.CERTIFY}
)
"""Operations in which the server makes the object: to what a client brings, nothing is added."""


def with_defaults(ctx: Context, attributes: AttributeSet, object_type: ObjectType) -> AttributeSet:
    """The attributes that a request asks for, with the tenant's defaults for the rest."""
    if ctx.operation not in FACTORIES:
        return attributes
    wanted = defaults(ctx)
    return rules.defaulted(attributes, wanted, object_type) if wanted.object_defaults else attributes


def check_made(ctx: Context) -> None:
    """Raise KmsError Constraint Violation for a new object of this item that the constraints do not allow."""
    for key in ctx.made():
        if key.tenant == ctx.tenant.name and (upon := constraints(ctx)).constraints:
            rules.check_constraints(upon, key)


def set_constraints(ctx: Context, value: Constraints) -> None:
    for constraint in value.constraints:
        check_attributes(constraint.attributes or ())
    _save(ctx, _CONSTRAINTS, encode(value, V2_1) if value.constraints else None)


def set_defaults(ctx: Context, value: DefaultsInformation) -> None:
    for entry in value.object_defaults:
        types = rules.types_of(entry)
        if not types:
            raise invalid_field("Object Defaults are for an Object Type, or for Object Types")
        for object_type in types:
            attribute_rules.new(entry.attributes, object_type)
    _save(ctx, _DEFAULTS, encode(value, V2_1) if value.object_defaults else None)


def check_attributes(attributes: tuple[Attribute, ...]) -> None:
    """Raise KmsError Invalid Field for attributes that do not exist or have a value of another type."""
    for attribute in attributes:
        spec = spec_of(attribute.key)
        if spec is None or (attribute.vendor is None and isinstance(attribute.value, Item)):
            raise invalid_field(f"{attribute.name} is no attribute, or has no such value")


@lru_cache(maxsize=64)
def _read_constraints(value: bytes) -> Constraints:
    return decode(Constraints, value, V2_1)


@lru_cache(maxsize=64)
def _read_defaults(value: bytes) -> DefaultsInformation:
    return decode(DefaultsInformation, value, V2_1)


def _holder(ctx: Context) -> ManagedObject | None:
    owner = f"{ctx.tenant.name} rules"
    return ctx.unsaved(owner) or ctx.services.store.get(owner, owner)


def _value(ctx: Context, reference: AttributeReference) -> bytes | None:
    if ctx.rules is None:
        ctx.rules = (_holder(ctx),)
    (holder,) = ctx.rules
    item = holder.attributes.get(reference.key) if holder is not None else None
    return None if item is None else item.value


def _save(ctx: Context, reference: AttributeReference, value: bytes | None) -> None:
    if value is not None and len(value) > MAX_SIZE:
        raise invalid_field(f"more than {MAX_SIZE} bytes")
    holder = _holder(ctx) or _new_holder(ctx)
    attributes = holder.attributes.remove(reference.key)
    if value is not None:
        item = Item(Tag.ATTRIBUTE_VALUE, ItemType.BYTE_STRING, value)
        attributes = attributes.put(Attribute(reference.name, item, vendor=reference.vendor))
    ctx.save(holder.with_attributes(attributes))


def _new_holder(ctx: Context) -> ManagedObject:
    name = f"{ctx.tenant.name} rules"
    return ManagedObject(
        uid=name,
        tenant=name,
        owner=ctx.batch.identity.client,
        object_type=ObjectType.OPAQUE_OBJECT,
        protection=ProtectionLevel.SOFTWARE,
        state=None,
        attributes=AttributeSet().set("Initial Date", ctx.now),
        material=None,
    )
