"""List CMKs: those that match every filter, a page of them, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import invalid_field
from kmsd.operations.context import Context
from kmsd.operations.key_answers import metadata, page, visible_cmks
from protocol.key_service import KeyFilter
from protocol.operations.list_cmks import ListCMKsRequest, ListCMKsResponse

_MOST = 10
"""Filters, and values of each."""

FILTERS: Mapping[str, Callable[[Cmk, int], Iterable[str]]] = {
    "KeyState": lambda cmk, now: (cmk.state(now).value,),
    "KeySpec": lambda cmk, now: (cmk.spec.name,),
    "KeyUsage": lambda cmk, now: (cmk.usage.value,),
    "Origin": lambda cmk, now: (cmk.origin.value,),
    "ProtectionLevel": lambda cmk, now: (cmk.protection.value,),
    "KeyId": lambda cmk, now: (cmk.uid,),
    "AliasName": lambda cmk, now: cmk.aliases,
    "Creator": lambda cmk, now: (cmk.creator,),
    "TagKey": lambda cmk, now: (key for key, _ in cmk.tags),
    "TagValue": lambda cmk, now: (value for _, value in cmk.tags),
}
"""What a filter compares: its values with those of the CMK, and one that is in both is enough."""


async def handle(ctx: Context, request: ListCMKsRequest) -> ListCMKsResponse:
    wanted = _wanted(request.filters)
    found = [
        cmk
        for cmk in visible_cmks(ctx)
        if all(not values.isdisjoint(FILTERS[key](cmk, ctx.now)) for key, values in wanted.items())
    ]
    shown = page(found, request.maximum_items, request.offset_items)
    return ListCMKsResponse(located_items=len(found), keys=tuple(metadata(cmk, ctx.now) for cmk in shown))


def _wanted(filters: tuple[KeyFilter, ...]) -> dict[str, set[str]]:
    """Filters of one key are alternatives, as their values are. A value that no CMK has finds nothing."""
    if len(filters) > _MOST or any(len(entry.filter_values) > _MOST for entry in filters):
        raise invalid_field(f"at most {_MOST} filters, each with at most {_MOST} values")
    wanted: dict[str, set[str]] = {}
    for entry in filters:
        if entry.filter_key not in FILTERS:
            raise invalid_field(f"CMKs are filtered by {', '.join(FILTERS)}")
        wanted.setdefault(entry.filter_key, set()).update(entry.filter_values)
    return wanted
