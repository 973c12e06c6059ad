"""Attributes of a CMK's versions that follow from the CMK: read, and searched by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kmsd.domain import cmk as cmks
from kmsd.domain import cmk_attributes
from kmsd.domain.cmk import Cmk
from kmsd.domain.locate import LocateQuery, matches
from kmsd.domain.objects import ManagedObject
from kmsd.operations import addressing
from kmsd.operations.context import Context
from kmsd.operations.key_answers import every_cmk
from protocol.attributes import Attribute
from protocol.enums import ObjectType


def of(ctx: Context, key: ManagedObject) -> list[Attribute]:
    """What the object, if it is a version of a CMK, says of it to a client of this request's version."""
    uid = cmks.cmk_of(key)
    cmk = addressing.cmk(ctx, uid) if uid is not None else None
    return cmk_attributes.shown(cmk, ctx.now, ctx.version) if cmk is not None else []


Accept = Callable[[ManagedObject], bool]


def accepting(ctx: Context, conditions: tuple[Attribute, ...]) -> tuple[tuple[Attribute, ...], Accept | None]:
    """The conditions of a Locate without those about CMKs, and what tells the versions that these leave; None where
    there are none. It may be asked in any thread. Raises KmsError as `matches`."""
    ours, others = cmk_attributes.split(conditions)
    if not ours:
        return conditions, None
    query = LocateQuery(ctx.tenant.name, ours)
    found = {cmk.uid for cmk in every_cmk(ctx) if matches(query, _stand_in(cmk, ctx.now))}
    return others, lambda key: cmks.cmk_of(key) in found


def _stand_in(cmk: Cmk, now: int) -> ManagedObject:
    """An object with these attributes and no others, so that a search by them is like one by any other."""
    record = replace(cmks.to_object(cmk), object_type=ObjectType.SYMMETRIC_KEY)
    return record.with_attributes(cmk_attributes.searchable(cmk, now))
