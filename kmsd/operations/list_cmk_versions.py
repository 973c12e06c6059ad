"""List CMK Versions: newest first; of pairs, the private keys."""

from __future__ import annotations

from kmsd.domain import cmk as cmks
from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_answers import page
from kmsd.operations.key_versions import is_half, objects_of
from protocol.key_service import KeyVersion
from protocol.operations.list_cmk_versions import ListCMKVersionsRequest, ListCMKVersionsResponse


async def handle(ctx: Context, request: ListCMKVersionsRequest) -> ListCMKVersionsResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.LIST_KEY_VERSIONS, by_alias=True)
    found = [key for key in objects_of(ctx, cmk) if not is_half(key)]
    shown = page(found, request.maximum_items, request.offset_items)
    return ListCMKVersionsResponse(
        located_items=len(found),
        versions=tuple(
            KeyVersion(
                unique_identifier=key.uid,
                version_number=cmks.number_of(key),
                initial_date=key.attributes.get("Initial Date"),
                version_enabled=not cmks.is_version_disabled(key),
            )
            for key in shown
        ),
    )
