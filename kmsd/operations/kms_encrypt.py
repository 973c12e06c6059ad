"""KMS Encrypt: up to 6144 bytes, to a ciphertext that says which key opens it."""

from __future__ import annotations

from kmsd.operations import blobs
from kmsd.operations.context import Context
from protocol.operations.kms_encrypt import KMSEncryptRequest, KMSEncryptResponse


async def handle(ctx: Context, request: KMSEncryptRequest) -> KMSEncryptResponse:
    data = ctx.resolve_data(request.data)
    sealed = await blobs.encrypt(ctx, request.unique_identifier, data, request.encryption_context)
    return KMSEncryptResponse(
        unique_identifier=sealed.version.uid,
        cmk_identifier=blobs.cmk_identifier(sealed.version),
        ciphertext_blob=sealed.ciphertext_blob,
    )
