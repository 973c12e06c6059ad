"""Generate And Export Data Key: under a CMK to be kept, and under its user's public key to be used."""

from __future__ import annotations

from kmsd.operations import blobs, exporting
from kmsd.operations.context import Context
from protocol.operations.generate_and_export_data_key import (
    GenerateAndExportDataKeyRequest,
    GenerateAndExportDataKeyResponse,
)


async def handle(ctx: Context, request: GenerateAndExportDataKeyRequest) -> GenerateAndExportDataKeyResponse:
    size = blobs.data_key_size(request.data_key_spec, request.number_of_bytes)
    sealed = await blobs.generate(ctx, request.unique_identifier, size, request.encryption_context)
    return GenerateAndExportDataKeyResponse(
        unique_identifier=sealed.version.uid,
        cmk_identifier=blobs.cmk_identifier(sealed.version),
        ciphertext_blob=sealed.ciphertext_blob,
        exported_data_key=await exporting.export(ctx, request, sealed.plaintext),
    )
