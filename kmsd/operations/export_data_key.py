"""Export Data Key: one that a CMK encrypts, under its user's public key."""

from __future__ import annotations

from kmsd.operations import blobs, exporting
from kmsd.operations.context import Context
from protocol.operations.export_data_key import ExportDataKeyRequest, ExportDataKeyResponse


async def handle(ctx: Context, request: ExportDataKeyRequest) -> ExportDataKeyResponse:
    opened = await blobs.decrypt(ctx, request.ciphertext_blob, request.encryption_context, request.unique_identifier)
    return ExportDataKeyResponse(
        unique_identifier=opened.version.uid,
        cmk_identifier=blobs.cmk_identifier(opened.version),
        exported_data_key=await exporting.export(ctx, request, opened.plaintext),
    )
