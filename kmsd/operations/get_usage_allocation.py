"""Get Usage Allocation: KMIP 1.4 §4.18, 2.1 §6.1.23."""

from __future__ import annotations

from kmsd.domain import usage
from kmsd.operations.context import Context
from protocol.operations.get_usage_allocation import GetUsageAllocationRequest, GetUsageAllocationResponse


async def handle(ctx: Context, request: GetUsageAllocationRequest) -> GetUsageAllocationResponse:
    key = ctx.load(request.unique_identifier)
    ctx.save(usage.allocate(key, request.usage_limits_count, ctx.now))
    return GetUsageAllocationResponse(unique_identifier=key.uid)
