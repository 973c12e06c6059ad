"""Generate Data Key Without Plaintext: for who hands it on, and has no business with it."""

from __future__ import annotations

from kmsd.operations import blobs
from kmsd.operations.context import Context
from protocol.operations.generate_data_key_without_plaintext import (
    GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse,
)


async def handle(
    ctx: Context, request: GenerateDataKeyWithoutPlaintextRequest
) -> GenerateDataKeyWithoutPlaintextResponse:
    size = blobs.data_key_size(request.data_key_spec, request.number_of_bytes)
    sealed = await blobs.generate(ctx, request.unique_identifier, size, request.encryption_context)
    return GenerateDataKeyWithoutPlaintextResponse(
        unique_identifier=sealed.version.uid,
        cmk_identifier=blobs.cmk_identifier(sealed.version),
        ciphertext_blob=sealed.ciphertext_blob,
    )
