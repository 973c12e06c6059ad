"""Encrypt: KMIP 1.4 §4.29, 2.1 §6.1.17."""

from __future__ import annotations

from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import cipher_part, is_whole
from kmsd.operations.using import permitted
from protocol.operations.encrypt import EncryptRequest, EncryptResponse
from protocol.versions import V1_4


async def handle(ctx: Context, request: EncryptRequest) -> EncryptResponse:
    if not is_whole(request):
        return await _part(ctx, request)
    data = ctx.resolve_data(request.data)
    size = len(data)
    key, permit, provider = use = permitted(
        ctx, request.unique_identifier, Purpose.ENCRYPT, request.cryptographic_parameters, size
    )
    ctx.services.encryptions.count(ctx, use)
    encrypted = await ctx.crypto(
        provider,
        provider.encrypt,
        permit,
        data,
        request.iv_counter_nonce,
        request.authenticated_encryption_additional_data,
        algorithm=permit.algorithm,
        size=size,
    )
    tag = encrypted.tag
    # Authenticated Encryption Tag is a field since 1.4; before, the tag follows the ciphertext.
    if tag is not None and ctx.version < V1_4:
        return EncryptResponse(unique_identifier=key.uid, data=encrypted.data + tag, iv_counter_nonce=encrypted.iv)
    return EncryptResponse(
        unique_identifier=key.uid,
        data=encrypted.data,
        iv_counter_nonce=encrypted.iv,
        authenticated_encryption_tag=tag,
    )


async def _part(ctx: Context, request: EncryptRequest) -> EncryptResponse:
    part = await cipher_part(ctx, request, Purpose.ENCRYPT)
    data, tag = part.data, part.result.tag
    if tag is not None and ctx.version < V1_4:
        data, tag = (data or b"") + tag, None
    return EncryptResponse(
        unique_identifier=part.use.key.uid,
        data=data,
        iv_counter_nonce=part.result.iv,
        correlation_value=part.correlation,
        authenticated_encryption_tag=tag,
    )
