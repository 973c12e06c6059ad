"""Get Public Key: of a CMK's version, in PEM. There is no operation that gives a private key."""

from __future__ import annotations

import base64
import textwrap

from kmsd.crypto import asymmetric
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import Purpose
from kmsd.operations import addressing, blobs
from kmsd.operations.context import Context, refused
from protocol.enums import LinkType, ObjectType, ResultReason
from protocol.operations.get_public_key import GetPublicKeyRequest, GetPublicKeyResponse
from protocol.structures import CryptographicParameters


async def handle(ctx: Context, request: GetPublicKeyRequest) -> GetPublicKeyResponse:
    public = _public_half(ctx, ctx.load(request.unique_identifier))
    permit = addressing.permit(ctx, public, Purpose.EXPORT, CryptographicParameters())
    provider = ctx.provider(public.protection)
    material = await ctx.crypto(provider, provider.export, permit, algorithm=public.algorithm)
    with refused():
        spki = asymmetric.spki(asymmetric.load_public(material))
    return GetPublicKeyResponse(
        unique_identifier=public.uid, cmk_identifier=blobs.cmk_identifier(public), public_key_pem=pem(spki)
    )


def _public_half(ctx: Context, key: ManagedObject) -> ManagedObject:
    if key.object_type == ObjectType.PUBLIC_KEY:
        return key
    other = rekey.linked(key, LinkType.PUBLIC_KEY_LINK) if key.object_type == ObjectType.PRIVATE_KEY else None
    if other is None:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "the key has no public key")
    return ctx.load(other)


def pem(spki: bytes) -> str:
    """SubjectPublicKeyInfo as RFC 7468 §13 writes it."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(spki).decode(), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
