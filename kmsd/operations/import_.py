"""Import: KMIP 1.4 §4.41, 2.1 §6.1.25: an object that lived elsewhere, with its identifier, attributes and state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmsd.crypto.wrapping import hides_value
from kmsd.domain import attribute_rules, cmk, importing, making
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.domain.rules import check_constraints
from kmsd.operations import register, shells, tenant_rules
from kmsd.operations.context import Context, reference
from kmsd.operations.new_objects import candidate, check_quota
from kmsd.operations.wrapped import unwrap
from protocol.enums import KeyWrapType, ObjectType, ResultReason
from protocol.objects import KeyBlock, TemplateObject
from protocol.operations.import_ import ImportRequest, ImportResponse
from protocol.structures import ProtectionStorageMasks


async def handle(ctx: Context, request: ImportRequest) -> ImportResponse:
    uid = request.unique_identifier
    importing.check_identifier(uid)
    wire: Any = request.managed_object
    object_type = register.checked_type(request.object_type, wire)
    old = _existing(ctx, uid, replaceable=bool(request.replace_existing))
    if old is None:
        check_quota(ctx, 1)
    block = register.block_of(wire)
    wrapped = wire if block is not None and block.key_wrapping_data is not None else None
    if wrapped is not None and request.key_wrap_type == KeyWrapType.NOT_WRAPPED:
        block = await unwrap(ctx, wrapped.key_block, wrapped.key_block.key_wrapping_data)
        wire = replace(wire, key_block=block)
    elif wrapped is not None and not hides_value(wrapped.key_block.key_wrapping_data.wrapping_method):
        # "Otherwise the server SHALL store the object as provided" (1.4 §4.41): what nobody here opens is stored
        # unsealed, and a plain key would be too.
        raise KmsError(
            ResultReason.KEY_WRAP_TYPE_NOT_SUPPORTED,
            "an object that is MACed or signed, not encrypted, is imported with Key Wrap Type Not Wrapped",
        )
    given = importing.attributes(register.with_inner_attributes(request.attributes, block), object_type)
    key = _begun(ctx, uid, object_type, given, old)
    if isinstance(wire, TemplateObject):
        attribute_rules.new(wire.attributes, object_type)
    if object_type in shells.SHELLED:
        key = shells.keep(key, wire)
    if wrapped is not None:
        key = shells.keep_registered(key, wrapped)
    key = await _with_value(ctx, key, wire, block)
    key = importing.as_supplied(key, given, ctx.now)
    if old is not None:
        check_constraints(tenant_rules.constraints(ctx), key)
        _drop_material(ctx, old)
    ctx.save_as_dated(key)
    ctx.give(uid)
    return ImportResponse(unique_identifier=uid)


def _existing(ctx: Context, uid: str, *, replaceable: bool) -> ManagedObject | None:
    """The object that would be replaced, if this client may do so. Raises KmsError: Object Already Exists, Permission
    Denied, Illegal Operation."""
    if (ctx.unsaved(uid) or ctx.services.store.get(ctx.tenant.name, uid)) is None:
        return None
    if not replaceable:
        raise KmsError(ResultReason.OBJECT_ALREADY_EXISTS, "an object with this Unique Identifier exists")
    old = ctx.peek(uid)
    if cmk.cmk_of(old) is not None:
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "the object is a version of a key of the key service")
    if old.material is not None and old.material.kind == "resident":
        # The token knows its keys by their Unique Identifier alone, so that two of one cannot be told apart.
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "a key that the HSM keeps is destroyed before it is replaced")
    return old


def _begun(
    ctx: Context, uid: str, object_type: ObjectType, given: AttributeSet, old: ManagedObject | None
) -> ManagedObject:
    """The object without its material. The owner of a replaced object stays its owner."""
    level = ProtectionLevel.SOFTWARE
    if object_type in register.IN_HSM:
        mask = given.get("Protection Storage Mask")
        masks = ProtectionStorageMasks(masks=(mask,)) if mask is not None else None
        level = making.protection(given, masks, ctx.tenant.policy.default_protection, ctx.tenant.providers)
    key = candidate(ctx, object_type, given, level, uid=uid)
    if old is None:
        return key
    ctx.authorise_names(old.names, key)
    return replace(key, owner=old.owner, version=old.version)


async def _with_value(ctx: Context, key: ManagedObject, wire: Any, block: KeyBlock | None) -> ManagedObject:
    if key.object_type == ObjectType.TEMPLATE:
        return key
    if block is not None and block.key_value is None:
        return register.without_value(key, block)
    if block is not None and block.key_wrapping_data is not None:
        return register.described_by(key, block)
    key = await register.with_value(ctx, key, wire, block)
    if key.material is not None and key.material.kind == "resident":
        raise invalid_field("the HSM keeps the keys of this tenant by identifiers of its own: Register this key")
    return key


def _drop_material(ctx: Context, old: ManagedObject) -> None:
    """Once the replacement is stored, what providers hold of the old object is forgotten."""
    material = old.material
    if material is not None:
        provider = ctx.provider(old.protection)
        ctx.batch.postpone(lambda: provider.destroy(reference(old), material), blocks=True)
