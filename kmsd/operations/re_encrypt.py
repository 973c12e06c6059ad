"""Re-encrypt: from one key or context to another, without the plaintext leaving the server."""

from __future__ import annotations

import copy

from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.usage import Purpose
from kmsd.operations import blobs
from kmsd.operations.context import Context
from kmsd.operations.using import permitted
from protocol.enums import ObjectType, ResultReason
from protocol.operations.re_encrypt import ReEncryptRequest, ReEncryptResponse
from protocol.vendor import RE_ENCRYPT_TO


async def handle(ctx: Context, request: ReEncryptRequest) -> ReEncryptResponse:
    opened = await _open(ctx, request)
    # Two permissions: this operation on the key that decrypts, and another on the key that encrypts.
    destination = copy.copy(ctx)
    destination.operation = RE_ENCRYPT_TO
    sealed = await blobs.encrypt(
        destination, request.unique_identifier, opened.plaintext, request.destination_encryption_context
    )
    return ReEncryptResponse(
        unique_identifier=sealed.version.uid,
        cmk_identifier=blobs.cmk_identifier(sealed.version),
        ciphertext_blob=sealed.ciphertext_blob,
        source_version=opened.version.uid,
    )


async def _open(ctx: Context, request: ReEncryptRequest) -> blobs.Opened:
    """A self-describing ciphertext, or, where the source is a private key, one that was made with its public key."""
    source = ctx.load(request.source_key) if request.source_key is not None else None
    if source is None or source.object_type != ObjectType.PRIVATE_KEY:
        if request.cryptographic_parameters is not None:
            raise invalid_field("Cryptographic Parameters are for a private key as source")
        return await blobs.decrypt(ctx, request.ciphertext_blob, request.source_encryption_context, request.source_key)
    if request.source_encryption_context is not None:
        raise KmsError(ResultReason.INVALID_FIELD, "a ciphertext of a public key has no encryption context")
    use = permitted(ctx, source.uid, Purpose.DECRYPT, request.cryptographic_parameters)
    plaintext = await ctx.crypto(
        use.provider,
        use.provider.decrypt,
        use.permit,
        request.ciphertext_blob,
        None,
        None,
        None,
        algorithm=use.permit.algorithm,
        size=len(request.ciphertext_blob),
    )
    return blobs.Opened(use.key, plaintext)
