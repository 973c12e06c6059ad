"""What the operations of the key service have in common: looking through the tenant's CMKs, pages, and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from kmsd.domain import cmk as cmks
from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.locate import LocateQuery
from kmsd.operations import addressing
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.key_service import KeyMetadata, KeyTag

T = TypeVar("T")

_PAGE = 10
_LONGEST_PAGE = 100


def page(items: Sequence[T], maximum: int | None, offset: int | None) -> Sequence[T]:
    """10 items, or as many as are asked for, up to 100. Raises KmsError Invalid Field."""
    size = _PAGE if maximum is None else maximum
    if not 1 <= size <= _LONGEST_PAGE:
        raise invalid_field(f"a page has 1 to {_LONGEST_PAGE} items")
    if (offset or 0) < 0:
        raise invalid_field("Offset Items is not negative")
    return items[offset or 0 : (offset or 0) + size]


def every_cmk(ctx: Context) -> list[Cmk]:
    """Every CMK of the tenant that is not deleted, newest first, whoever may see it."""
    changed = {key.uid: key for key in ctx.unsaved_objects() if cmks.is_record(key)}
    stored = ctx.services.store.locate(LocateQuery(ctx.tenant.name, records=True))
    uids = dict.fromkeys([*(uid for uid in reversed(changed) if uid not in stored), *stored])
    found = (addressing.record(ctx, uid) for uid in uids)
    made = [cmks.from_object(record) for record in found if record is not None]
    return [cmk for cmk in made if not cmk.is_gone(ctx.now)]


def visible_cmks(ctx: Context) -> list[Cmk]:
    """Those that this client may do the operation to."""
    covers = ctx.batch.grants.covers
    return [cmk for cmk in every_cmk(ctx) if covers(ctx.operation, cmks.to_object(cmk))]


def check_alias_quota(ctx: Context, number: int) -> None:
    """Raise KmsError Server Limit Exceeded where the tenant would have more aliases than it may."""
    maximum = ctx.tenant.policy.keys.maximum_aliases
    if cmks.total_aliases(every_cmk(ctx)) + number > maximum:
        raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, f"the tenant's quota is {maximum} aliases")


def check_cmk_quota(ctx: Context) -> None:
    """Raise KmsError Server Limit Exceeded where the tenant would have more CMKs than it may."""
    maximum = ctx.tenant.policy.keys.maximum_cmks
    give_back = ctx.services.counts.reserve(ctx.tenant.name, 1, maximum, records=True)
    if give_back is None:
        raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, f"the tenant's quota is {maximum} CMKs")
    ctx.batch.compensate(give_back)


def metadata(cmk: Cmk, now: int) -> KeyMetadata:
    """The CMK as clients see it."""
    return KeyMetadata(
        unique_identifier=cmk.uid,
        key_state=cmk.state(now).value,
        key_spec=cmk.spec.name,
        key_usage=cmk.usage.value,
        key_origin=cmk.origin.value,
        key_protection=cmk.protection.value,
        creator=cmk.creator,
        initial_date=cmk.created,
        description=cmk.description or None,
        primary_version=cmk.primary,
        version_count=cmk.versions,
        minimum_version=cmk.minimum_version,
        rotation_state=cmk.rotation_state(now).value,
        rotate_interval=cmk.rotation_interval if cmk.rotation_enabled else None,
        rotate_date=cmk.last_rotation,
        next_rotation_date=cmk.next_rotation,
        deletion_date=cmk.deletion_date,
        material_expire_time=cmk.material_expires,
        deletion_protection=cmk.deletion_protection,
        deletion_protection_description=cmk.deletion_protection_description or None,
        alias_names=cmk.aliases,
        tags=tuple(KeyTag(tag_key=key, tag_value=value) for key, value in cmk.tags),
    )
