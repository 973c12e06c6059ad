"""Signature Verify: KMIP 1.4 §4.32, 2.1 §6.1.56. A bad signature is an answer, no error."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import refuse_streaming
from kmsd.operations.using import permitted
from protocol.enums import ResultReason, ValidityIndicator
from protocol.operations.signature_verify import SignatureVerifyRequest, SignatureVerifyResponse


async def handle(ctx: Context, request: SignatureVerifyRequest) -> SignatureVerifyResponse:
    refuse_streaming(request)
    if request.signature_data is None:
        raise KmsError(ResultReason.INVALID_MESSAGE, "Signature Data is missing")
    digested = request.digested_data
    data = ctx.resolve_data(request.data) if digested is None else None
    use = await permitted(ctx, request.unique_identifier, Purpose.VERIFY, request.cryptographic_parameters)
    valid = await ctx.crypto(
        use.provider,
        use.provider.verify,
        use.permit,
        data,
        digested,
        request.signature_data,
        algorithm=use.key.algorithm,
        size=len(data or b""),
    )
    return SignatureVerifyResponse(
        unique_identifier=use.key.uid,
        validity_indicator=ValidityIndicator.VALID if valid else ValidityIndicator.INVALID,
    )
