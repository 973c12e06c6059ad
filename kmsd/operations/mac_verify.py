"""MAC Verify: KMIP 1.4 §4.34, 2.1 §6.1.33. A wrong MAC is an answer, no error."""

from __future__ import annotations

import hmac

from kmsd.domain.errors import KmsError
from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import cipher_part, is_whole
from kmsd.operations.using import permitted
from protocol.enums import ResultReason, ValidityIndicator
from protocol.operations.mac_verify import MACVerifyRequest, MACVerifyResponse


async def handle(ctx: Context, request: MACVerifyRequest) -> MACVerifyResponse:
    if not is_whole(request):
        return await _part(ctx, request)
    if request.mac_data is None:
        raise KmsError(ResultReason.INVALID_MESSAGE, "MAC Data is missing")
    data = ctx.resolve_data(request.data)
    use = permitted(ctx, request.unique_identifier, Purpose.MAC_VERIFY, request.cryptographic_parameters)
    valid = await ctx.crypto(
        use.provider,
        use.provider.mac_verify,
        use.permit,
        data,
        request.mac_data,
        algorithm=use.permit.algorithm,
        size=len(data),
    )
    return MACVerifyResponse(
        unique_identifier=use.key.uid,
        validity_indicator=ValidityIndicator.VALID if valid else ValidityIndicator.INVALID,
    )


async def _part(ctx: Context, request: MACVerifyRequest) -> MACVerifyResponse:
    part = await cipher_part(ctx, request, Purpose.MAC_VERIFY)
    validity = None
    if part.is_last:
        # The MAC may come with the first part or with the last.
        mac = request.mac_data or part.more
        if mac is None:
            raise KmsError(ResultReason.INVALID_MESSAGE, "MAC Data is missing")
        valid = hmac.compare_digest(part.result.data, mac)
        validity = ValidityIndicator.VALID if valid else ValidityIndicator.INVALID
    return MACVerifyResponse(
        unique_identifier=part.use.key.uid, validity_indicator=validity, correlation_value=part.correlation
    )
