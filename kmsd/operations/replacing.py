"""What Re-key, Re-key Key Pair and Re-certify share: the replacement before it has material."""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain import making, rekey
from kmsd.domain.errors import permission_denied
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.operations.context import Context
from kmsd.operations.new_objects import asked_for, candidate
from protocol.attributes import Template
from protocol.structures import ProtectionStorageMasks


def begin_replacement(
    ctx: Context,
    old: ManagedObject,
    template: Template | None,
    masks: ProtectionStorageMasks | None,
    offset: int | None,
    level: ProtectionLevel | None = None,
) -> ManagedObject:
    """The object that will take the place of `old`, protected as it is unless the request says otherwise.

    `level` overrides what the request says, for objects that hold no secret. Raises KmsError as
    `rekey.check_replaceable` and `rekey.inherited`.
    """
    rekey.check_replaceable(old)
    asked = asked_for(ctx, template, old.object_type)
    attributes = rekey.inherited(old, asked, offset, ctx.now, names_first=level is None)
    if level is None:
        level = making.protection(asked, masks, old.protection, ctx.tenant.providers)
    attributes = rekey.for_protection(attributes, asked, old, level)
    return replace(candidate(ctx, old.object_type, attributes, level, old.names), owner=old.owner)


def check_protection(ctx: Context, old: ManagedObject, masks: ProtectionStorageMasks | None) -> None:
    """Raise KmsError Permission Denied where the version of a CMK is asked for under another protection."""
    if making.protection(AttributeSet(), masks, old.protection, ctx.tenant.providers) is not old.protection:
        raise permission_denied("the protection of a version is its CMK's to say")
