"""Create CMK: the record, and unless its material is to be imported, the first version, in one unit of work."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import TypeVar

from kmsd.domain import cmk as cmks
from kmsd.domain import key_changes
from kmsd.domain.cmk import Cmk, Origin
from kmsd.domain.errors import invalid_field
from kmsd.domain.key_specs import spec_named
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.addressing import save_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_answers import check_alias_quota, check_cmk_quota, metadata
from kmsd.operations.key_versions import first_version
from protocol.operations.create_cmk import CreateCMKRequest, CreateCMKResponse


async def handle(ctx: Context, request: CreateCMKRequest) -> CreateCMKResponse:
    cmk = asked_for(ctx, request)
    record = cmks.to_object(cmk)
    # The audit is about the CMK, and then about its version.
    ctx.touched[cmk.uid] = None
    ctx.authorise(record)
    ctx.authorise_names((), record)
    check_cmk_quota(ctx)
    if cmk.aliases:
        check_alias_quota(ctx, len(cmk.aliases))
    if cmk.origin is Origin.KMSD:
        cmk = await first_version(ctx, cmk)
    save_cmk(ctx, cmk)
    ctx.give(cmk.uid)
    return CreateCMKResponse(metadata=metadata(cmk, ctx.now))


def asked_for(ctx: Context, request: CreateCMKRequest) -> Cmk:
    """The CMK that a request describes, before it has a version. Raises KmsError."""
    spec = spec_named(request.key_spec)
    rules = ctx.tenant.policy.keys
    level = one_of(ProtectionLevel, request.key_protection, ctx.tenant.policy.default_protection)
    ctx.provider(level)
    cmk = Cmk(
        uid=cmks.ID_PREFIX + uuid.uuid4().hex,
        tenant=ctx.tenant.name,
        creator=ctx.batch.identity.client,
        spec=spec,
        usage=spec.usage(request.key_usage),
        origin=one_of(Origin, request.key_origin, Origin.KMSD),
        protection=level,
        created=ctx.now,
    )
    cmk = key_changes.describe(cmk, request.description or "")
    cmk = key_changes.tag(cmk, ((tag.tag_key, tag.tag_value) for tag in request.tags))
    for alias in request.alias_names:
        cmk = key_changes.add_alias(cmk, alias)
    if request.rotate_automatic or request.rotate_interval is not None:
        cmk = key_changes.set_rotation(cmk, bool(request.rotate_automatic), request.rotate_interval, rules)
    return key_changes.set_deletion_protection(
        cmk, bool(request.deletion_protection), request.deletion_protection_description
    )


Choice = TypeVar("Choice", bound=StrEnum)


def one_of(kind: type[Choice], asked: str | None, default: Choice) -> Choice:
    """The member that a request names. Raises KmsError Invalid Field."""
    if asked is None:
        return default
    for member in kind:
        if member.value == asked:
            return member
    raise invalid_field(f"{asked[:32]!r} is none of {', '.join(kind)}")
