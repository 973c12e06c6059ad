"""Check: KMIP 1.4 §4.10, 2.1 §6.1.7: may this client use the object so?"""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.operations.check import CheckRequest, CheckResponse


async def handle(ctx: Context, request: CheckRequest) -> CheckResponse:
    key = await ctx.load(request.unique_identifier)
    mask = request.cryptographic_usage_mask
    if mask is not None and int(mask) & key.usage_mask != int(mask):
        ctx.batch.placeholder = None
        raise KmsError(
            ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "the Cryptographic Usage Mask does not allow this use"
        )
    limits = key.attributes.get("Usage Limits")
    wanted = request.usage_limits_count
    if wanted is not None and limits is not None and wanted > (limits.usage_limits_count or 0):
        ctx.batch.placeholder = None
        raise KmsError(ResultReason.USAGE_LIMIT_EXCEEDED, "the Usage Limits leave less than this")
    if request.lease_time is not None and request.lease_time > ctx.services.lease_time:
        ctx.batch.placeholder = None
        raise KmsError(ResultReason.PERMISSION_DENIED, "no lease of this length is given")
    return CheckResponse(unique_identifier=key.uid)
