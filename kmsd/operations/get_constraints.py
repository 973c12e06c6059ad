"""Get Constraints: KMIP 2.1 §6.1.22: what new objects of the tenant must satisfy."""

from __future__ import annotations

from kmsd.operations import tenant_rules
from kmsd.operations.context import Context
from protocol.operations.get_constraints import GetConstraintsRequest, GetConstraintsResponse


async def handle(ctx: Context, request: GetConstraintsRequest) -> GetConstraintsResponse:
    return GetConstraintsResponse(constraints=tenant_rules.constraints(ctx))
