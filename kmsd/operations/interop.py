"""Interop: KMIP 2.1 §6.1.26: a client tells which test case begins and ends."""

from __future__ import annotations

from kmsd.domain.errors import KmsError, invalid_field
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.operations.interop import InteropRequest, InteropResponse


async def handle(ctx: Context, request: InteropRequest) -> InteropResponse:
    """ "It SHALL NOT be available in a production server": only tenants that say so have it."""
    if not ctx.tenant.policy.interop:
        raise KmsError(ResultReason.OPERATION_NOT_SUPPORTED, "the operation is not supported")
    if not request.interop_function.known:
        raise invalid_field("unknown Interop Function")
    return InteropResponse()
