"""Cancel: KMIP 1.4 §4.27, 2.1 §6.1.5: an asynchronous request that has not begun is dropped."""

from __future__ import annotations

from kmsd.operations.asynchronous import owner_of
from kmsd.operations.context import Context
from protocol.operations.cancel import CancelRequest, CancelResponse


async def handle(ctx: Context, request: CancelRequest) -> CancelResponse:
    value = request.asynchronous_correlation_value
    result = ctx.services.requests.cancel(owner_of(ctx), value)
    return CancelResponse(asynchronous_correlation_value=value, cancellation_result=result)
