"""Signature Verify: KMIP 1.4 §4.32, 2.1 §6.1.56. A bad signature is an answer, no error."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import is_whole, signature_part, signed_input
from kmsd.operations.using import permitted
from protocol.enums import ResultReason, ValidityIndicator
from protocol.operations.signature_verify import SignatureVerifyRequest, SignatureVerifyResponse


async def handle(ctx: Context, request: SignatureVerifyRequest) -> SignatureVerifyResponse:
    data, digested, signature = None, request.digested_data, request.signature_data
    if is_whole(request):
        data = ctx.resolve_data(request.data) if digested is None else None
        use = permitted(ctx, request.unique_identifier, Purpose.VERIFY, request.cryptographic_parameters)
    else:
        part = await signature_part(ctx, request, Purpose.VERIFY)
        use = part.use
        data, digested = signed_input(part)
        if not part.is_last:
            return SignatureVerifyResponse(unique_identifier=use.key.uid, correlation_value=part.correlation)
        # The signature may come with the first part or with the last.
        signature = signature or part.more
    if signature is None:
        raise KmsError(ResultReason.INVALID_MESSAGE, "Signature Data is missing")
    valid = await ctx.crypto(
        use.provider,
        use.provider.verify,
        use.permit,
        data,
        digested,
        signature,
        algorithm=use.permit.algorithm,
        size=len(data or b""),
    )
    return SignatureVerifyResponse(
        unique_identifier=use.key.uid,
        validity_indicator=ValidityIndicator.VALID if valid else ValidityIndicator.INVALID,
    )
