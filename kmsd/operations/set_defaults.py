"""Set Defaults: KMIP 2.1 §6.1.53: what a new object has where the client says nothing; these and no others."""

from __future__ import annotations

from kmsd.operations import tenant_rules
from kmsd.operations.context import Context
from protocol.operations.set_defaults import SetDefaultsRequest, SetDefaultsResponse


async def handle(ctx: Context, request: SetDefaultsRequest) -> SetDefaultsResponse:
    tenant_rules.set_defaults(ctx, request.defaults_information or tenant_rules.NO_DEFAULTS)
    return SetDefaultsResponse()
