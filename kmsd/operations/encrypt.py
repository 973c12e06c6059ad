"""Encrypt: KMIP 1.4 §4.29, 2.1 §6.1.17."""

from __future__ import annotations

from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import refuse_streaming
from kmsd.operations.using import permitted
from protocol.operations.encrypt import EncryptRequest, EncryptResponse
from protocol.versions import V1_4


async def handle(ctx: Context, request: EncryptRequest) -> EncryptResponse:
    refuse_streaming(request)
    data = ctx.resolve_data(request.data)
    use = await permitted(ctx, request.unique_identifier, Purpose.ENCRYPT, request.cryptographic_parameters, len(data))
    encrypted = await ctx.crypto(
        use.provider,
        use.provider.encrypt,
        use.permit,
        data,
        request.iv_counter_nonce,
        request.authenticated_encryption_additional_data,
        algorithm=use.key.algorithm,
        size=len(data),
    )
    tag = encrypted.tag
    # Authenticated Encryption Tag is a field since 1.4; before, the tag follows the ciphertext.
    if tag is not None and ctx.version < V1_4:
        return EncryptResponse(unique_identifier=use.key.uid, data=encrypted.data + tag, iv_counter_nonce=encrypted.iv)
    return EncryptResponse(
        unique_identifier=use.key.uid,
        data=encrypted.data,
        iv_counter_nonce=encrypted.iv,
        authenticated_encryption_tag=tag,
    )
