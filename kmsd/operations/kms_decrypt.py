"""KMS Decrypt: a ciphertext that says which key opens it."""

from __future__ import annotations

from kmsd.operations import blobs
from kmsd.operations.context import Context
from protocol.operations.kms_decrypt import KMSDecryptRequest, KMSDecryptResponse


async def handle(ctx: Context, request: KMSDecryptRequest) -> KMSDecryptResponse:
    opened = await blobs.decrypt(ctx, request.ciphertext_blob, request.encryption_context, request.unique_identifier)
    return KMSDecryptResponse(
        unique_identifier=opened.version.uid,
        cmk_identifier=blobs.cmk_identifier(opened.version),
        data=opened.plaintext,
    )
