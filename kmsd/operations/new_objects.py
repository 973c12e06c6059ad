"""What Create, Create Key Pair and Register share: the object before it has material."""

from __future__ import annotations

import os
import time
from collections.abc import Collection

from kmsd.crypto.keyformats import ParsedKey
from kmsd.domain import attribute_rules, making
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.operations.context import Context, reference
from kmsd.operations.templates import with_templates
from kmsd.operations.tenant_rules import with_defaults
from protocol.attributes import ATTRIBUTES, Template
from protocol.enums import ObjectType, ResultReason
from protocol.structures import ProtectionStorageMasks

_SINGLE = frozenset(name for name, spec in ATTRIBUTES.items() if not spec.multiple)


_UUID_FIXED = 0xF000_C000 << 48
"""The bits of a UUID that say its version and its variant."""
_UUID_VERSION_7 = 0x7000_8000 << 48
_RANDOM_BITS = 80


def new_uid() -> str:
    """A UUID of 48 bits of time, in milliseconds, and 74 random bits (version 7, RFC 9562 §5.7).

    Objects that are made one after the other stand beside each other in the index of identifiers: a commit writes one
    of its pages, and not one for each object.
    """
    number = time.time_ns() // 1_000_000 << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8), "big")
    digits = f"{number & ~_UUID_FIXED | _UUID_VERSION_7:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def check_quota(ctx: Context, number: int) -> None:
    """Raise KmsError Server Limit Exceeded where the tenant would have more objects than it may."""
    maximum = ctx.tenant.policy.maximum_objects
    if maximum is None:
        return
    give_back = ctx.services.counts.reserve(ctx.tenant.name, number, maximum)
    if give_back is None:
        raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, f"the tenant's quota is {maximum} objects")
    ctx.batch.compensate(give_back)


def begin(
    ctx: Context,
    object_type: ObjectType,
    template: Template | None,
    masks: ProtectionStorageMasks | None,
    level: ProtectionLevel | None = None,
) -> ManagedObject:
    """The new object as the request's attributes and the tenant make it, if this client may have it.

    `level` overrides what the request and the tenant say, for objects that hold no secret.
    """
    attributes = asked_for(ctx, template, object_type)
    attributes = with_defaults(ctx, attributes, object_type)
    if level is None:
        level = making.protection(attributes, masks, ctx.tenant.policy.default_protection, ctx.tenant.providers)
    return candidate(ctx, object_type, attributes, level)


def asked_for(ctx: Context, template: Template | None, object_type: ObjectType) -> AttributeSet:
    """The attributes of a request, checked. Raises KmsError as `attribute_rules.new`, and Item Not Found."""
    if template is None:
        return AttributeSet()
    attributes = with_templates(ctx, template, object_type) if template.names else template.attributes
    return attribute_rules.new(attributes, object_type)


def candidate(
    ctx: Context,
    object_type: ObjectType,
    attributes: AttributeSet,
    level: ProtectionLevel,
    inherited: Collection[str] = (),
    uid: str | None = None,
) -> ManagedObject:
    """The new object with these attributes, if this client may have it; `inherited` are names it takes over, `uid` is
    the identifier it has already."""
    key = bare(ctx, object_type, attributes, level, uid=uid)
    ctx.authorise(key)
    ctx.authorise_names(set(inherited) & set(key.names), key)
    return key


def bare(
    ctx: Context,
    object_type: ObjectType,
    attributes: AttributeSet,
    level: ProtectionLevel,
    *,
    owner: str | None = None,
    uid: str | None = None,
) -> ManagedObject:
    """The new object of this client, or of `owner`, with what the server sets; whether it may be is not asked here.

    Raises KmsError where the tenant has no such protection, and as `making.candidate`.
    """
    ctx.provider(level)
    return making.candidate(
        uid=uid or new_uid(),
        tenant=ctx.tenant.name,
        owner=owner or ctx.batch.identity.client,
        object_type=object_type,
        level=level,
        attributes=attributes,
        now=ctx.now,
        lease_time=ctx.services.lease_time,
    )


async def kept(
    ctx: Context, key: ManagedObject, parsed: ParsedKey, digest: bytes | None = None, generated: int | None = None
) -> ManagedObject:
    """The object with its material, kept where its protection says, and removed there if the change is not kept.

    `digest` where it is not that of the default Key Format Type, `generated` as in `making.with_material`. Raises
    KmsError for what the protection does not take.
    """
    provider = ctx.provider(key.protection)
    stored = await ctx.crypto(
        provider,
        provider.store,
        reference(key),
        parsed.material,
        parsed.format,
        algorithm=parsed.algorithm,
        size=len(parsed.material),
    )
    key = making.with_material(
        key, stored.material, parsed.length, digest or stored.digest, parsed.registered, generated=generated
    )
    ctx.forget_on_rollback(provider, key)
    return key


def joined(common: Template | None, specific: Template | None) -> Template:
    """The common attributes of a pair with those of one key (KMIP 1.4 §4.2)."""
    parts = [template for template in (common, specific) if template is not None]
    return Template(
        attributes=tuple(
            making.merged(
                common.attributes if common is not None else (),
                specific.attributes if specific is not None else (),
                _SINGLE,
            )
        ),
        names=tuple(name for template in parts for name in template.names),
    )
