"""MAC Verify: KMIP 1.4 §4.34, 2.1 §6.1.33. A wrong MAC is an answer, no error."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import refuse_streaming
from kmsd.operations.using import permitted
from protocol.enums import ResultReason, ValidityIndicator
from protocol.operations.mac_verify import MACVerifyRequest, MACVerifyResponse


async def handle(ctx: Context, request: MACVerifyRequest) -> MACVerifyResponse:
    refuse_streaming(request)
    if request.mac_data is None:
        raise KmsError(ResultReason.INVALID_MESSAGE, "MAC Data is missing")
    data = ctx.resolve_data(request.data)
    use = await permitted(ctx, request.unique_identifier, Purpose.MAC_VERIFY, request.cryptographic_parameters)
    valid = await ctx.crypto(
        use.provider,
        use.provider.mac_verify,
        use.permit,
        data,
        request.mac_data,
        algorithm=use.key.algorithm,
        size=len(data),
    )
    return MACVerifyResponse(
        unique_identifier=use.key.uid,
        validity_indicator=ValidityIndicator.VALID if valid else ValidityIndicator.INVALID,
    )
