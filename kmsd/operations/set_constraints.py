"""Set Constraints: KMIP 2.1 §6.1.52: from now on, new objects of the tenant must satisfy these and no others."""

from __future__ import annotations

from kmsd.operations import tenant_rules
from kmsd.operations.context import Context
from protocol.operations.set_constraints import SetConstraintsRequest, SetConstraintsResponse


async def handle(ctx: Context, request: SetConstraintsRequest) -> SetConstraintsResponse:
    tenant_rules.set_constraints(ctx, request.constraints or tenant_rules.NO_CONSTRAINTS)
    return SetConstraintsResponse()
