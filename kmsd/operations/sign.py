"""Sign: KMIP 1.4 §4.31, 2.1 §6.1.55."""

from __future__ import annotations

from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import is_whole, signature_part, signed_input
from kmsd.operations.using import permitted
from protocol.operations.sign import SignRequest, SignResponse


async def handle(ctx: Context, request: SignRequest) -> SignResponse:
    data, digested = None, request.digested_data
    if is_whole(request):
        data = ctx.resolve_data(request.data) if digested is None else None
        size = len(data or digested or b"")
        use = permitted(ctx, request.unique_identifier, Purpose.SIGN, request.cryptographic_parameters, size)
    else:
        part = await signature_part(ctx, request, Purpose.SIGN)
        use = part.use
        data, digested = signed_input(part)
        if not part.is_last:
            return SignResponse(unique_identifier=use.key.uid, correlation_value=part.correlation)
    signature = await ctx.crypto(
        use.provider,
        use.provider.sign,
        use.permit,
        data,
        digested,
        algorithm=use.permit.algorithm,
        size=len(data or b""),
    )
    return SignResponse(unique_identifier=use.key.uid, signature_data=signature)
