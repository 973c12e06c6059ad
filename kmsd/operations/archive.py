"""Archive: KMIP 1.4 §4.22, 2.1 §6.1.4."""

from __future__ import annotations

from kmsd.domain import lifecycle
from kmsd.operations.context import Context
from protocol.operations.archive import ArchiveRequest, ArchiveResponse


async def handle(ctx: Context, request: ArchiveRequest) -> ArchiveResponse:
    key = ctx.load(request.unique_identifier)
    ctx.save(lifecycle.archive(key, ctx.now))
    return ArchiveResponse(unique_identifier=key.uid)
