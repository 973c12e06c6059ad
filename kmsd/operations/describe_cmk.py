"""Describe CMK: what it is now, by its identifier or an alias."""

from __future__ import annotations

from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_answers import metadata
from protocol.operations.describe_cmk import DescribeCMKRequest, DescribeCMKResponse


async def handle(ctx: Context, request: DescribeCMKRequest) -> DescribeCMKResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.DESCRIBE_KEY, by_alias=True)
    return DescribeCMKResponse(metadata=metadata(cmk, ctx.now))
