"""Generate Data Key: random bytes, plain and under a CMK. The server keeps nothing of them."""

from __future__ import annotations

from kmsd.operations import blobs
from kmsd.operations.context import Context
from protocol.operations.generate_data_key import GenerateDataKeyRequest, GenerateDataKeyResponse


async def handle(ctx: Context, request: GenerateDataKeyRequest) -> GenerateDataKeyResponse:
    size = blobs.data_key_size(request.data_key_spec, request.number_of_bytes)
    sealed = await blobs.generate(ctx, request.unique_identifier, size, request.encryption_context)
    return GenerateDataKeyResponse(
        unique_identifier=sealed.version.uid,
        cmk_identifier=blobs.cmk_identifier(sealed.version),
        ciphertext_blob=sealed.ciphertext_blob,
        data=sealed.plaintext,
    )
