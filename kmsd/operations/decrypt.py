"""Decrypt: KMIP 1.4 §4.30, 2.1 §6.1.11."""

from __future__ import annotations

from kmsd.crypto.ciphers import AUTHENTICATED, cipher_scheme
from kmsd.domain.errors import KmsError
from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context, refused
from kmsd.operations.streaming import cipher_part, is_whole
from kmsd.operations.using import permitted
from protocol.enums import ResultReason
from protocol.operations.decrypt import DecryptRequest, DecryptResponse
from protocol.versions import V1_4


async def handle(ctx: Context, request: DecryptRequest) -> DecryptResponse:
    if not is_whole(request):
        part = await cipher_part(ctx, request, Purpose.DECRYPT)
        return DecryptResponse(unique_identifier=part.use.key.uid, data=part.data, correlation_value=part.correlation)
    data = ctx.resolve_data(request.data)
    use = permitted(ctx, request.unique_identifier, Purpose.DECRYPT, request.cryptographic_parameters)
    tag = request.authenticated_encryption_tag
    if ctx.version < V1_4 and use.permit.parameters.block_cipher_mode in AUTHENTICATED:
        # Authenticated Encryption Tag is a field since 1.4; before, the tag follows the ciphertext.
        with refused():
            length = cipher_scheme(use.permit.parameters, use.key.algorithm).tag_length
        if len(data) < length:
            raise KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "cryptographic failure")
        data, tag = data[:-length], data[-length:]
    plain = await ctx.crypto(
        use.provider,
        use.provider.decrypt,
        use.permit,
        data,
        request.iv_counter_nonce,
        request.authenticated_encryption_additional_data,
        tag,
        algorithm=use.permit.algorithm,
        size=len(data),
    )
    return DecryptResponse(unique_identifier=use.key.uid, data=plain)
