"""Data keys under a public key that the client brings."""

from __future__ import annotations

from kmsd.crypto.transport import wrap_to
from kmsd.domain.errors import KmsError
from kmsd.domain.transport import transport
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.operations.export_data_key import ExportDataKeyRequest
from protocol.operations.generate_and_export_data_key import GenerateAndExportDataKeyRequest


async def export(
    ctx: Context, request: ExportDataKeyRequest | GenerateAndExportDataKeyRequest, plaintext: bytes
) -> bytes:
    """The data key under the public key of the request.

    Raises KmsError: Feature Not Supported, Invalid Field (no such key, or one too small for the data key).
    """
    chosen, spec = transport(request.wrapping_algorithm, request.wrapping_key_spec)
    if chosen.by_option or chosen.inner is not None:
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, f"data keys are not exported with {chosen.name}")
    return await ctx.crypto(
        ctx.tenant.software,
        wrap_to,
        request.wrapping_public_key,
        spec,
        chosen,
        plaintext,
        algorithm=spec.algorithm,
        size=len(plaintext),
    )
