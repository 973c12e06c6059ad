"""Self-describing ciphertexts (kmsd.domain.blob) under CMKs: made, opened, and what is said of the version that did."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kmsd.crypto.provider import Encrypted, Provider
from kmsd.domain import blob
from kmsd.domain.cmk import cmk_of, names_cmk
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import KeyUse, Purpose
from kmsd.operations.addressing import record_for
from kmsd.operations.context import Context
from kmsd.operations.using import permitted
from protocol.enums import ResultReason, UniqueIdentifier

DATA_KEY_SPECS = {"AES_256": 32, "AES_128": 16}
DEFAULT_DATA_KEY = "AES_256"
MAXIMUM_DATA_KEY = 1024
"""Bytes."""

Identifier = str | UniqueIdentifier | int | None


class Sealed(NamedTuple):
    """What was encrypted, and the version that did it."""

    version: ManagedObject
    ciphertext_blob: bytes
    plaintext: bytes


class Opened(NamedTuple):
    """What was decrypted, and the version that did it."""

    version: ManagedObject
    plaintext: bytes

    def __repr__(self) -> str:
        return f"Opened({self.version.uid})"


def cmk_identifier(version: ManagedObject) -> str | None:
    """The CMK that a response names beside the version; a key that is none's has none."""
    return cmk_of(version)


async def encrypt(ctx: Context, identifier: Identifier, plaintext: bytes, context: str | None) -> Sealed:
    """1 to 6144 bytes under the primary version. Raises KmsError."""
    if not 0 < len(plaintext) <= blob.MAXIMUM_PLAINTEXT:
        raise invalid_field(f"1 to {blob.MAXIMUM_PLAINTEXT} bytes are encrypted at once: longer ones under a data key")
    return await _seal(ctx, identifier, len(plaintext), lambda _: plaintext, context)


async def generate(ctx: Context, identifier: Identifier, size: int, context: str | None) -> Sealed:
    """Random bytes of the place where the key lives, encrypted under it. Raises KmsError."""
    return await _seal(ctx, identifier, size, lambda provider: provider.random(size), context)


async def _seal(
    ctx: Context, identifier: Identifier, size: int, source: Callable[[Provider], bytes], context: str | None
) -> Sealed:
    entries = blob.parse_context(context)
    uid = ctx.load(identifier).uid
    suite = blob.suite_of(ctx.peek(uid))
    use = permitted(ctx, uid, Purpose.ENCRYPT, suite.parameters, size)
    ctx.services.encryptions.count(ctx, use)
    aad = blob.additional_data(suite, uid, entries)
    plaintext, encrypted = await ctx.crypto(
        use.provider, _encrypt, use.provider, use.permit, source, aad, algorithm=use.permit.algorithm, size=size
    )
    if encrypted.iv is None or encrypted.tag is None:
        raise TypeError("the provider chose no IV, or made no tag")
    made = blob.Blob(suite, uid, encrypted.iv, encrypted.data, encrypted.tag)
    return Sealed(use.key, bytes(made), plaintext)


def _encrypt(
    provider: Provider, permit: KeyUse, source: Callable[[Provider], bytes], aad: bytes
) -> tuple[bytes, Encrypted]:
    plaintext = source(provider)
    return plaintext, provider.encrypt(permit, plaintext, None, aad)


async def decrypt(ctx: Context, data: bytes, context: str | None, expected: Identifier = None) -> Opened:
    """What is in a blob, by the version that it names; `expected`, where given, must be its key.

    Raises KmsError: Invalid Field (no blob, another key than expected), Object Not Found, Cryptographic Failure for a
    changed blob and another context alike.
    """
    parts = blob.parse(data)
    entries = blob.parse_context(context)
    version = ctx.load(parts.uid)
    if expected is not None:
        _check_expected(ctx, expected, version)
    if blob.suite_of(version) != parts.suite:
        raise KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "cryptographic failure")
    use = permitted(ctx, parts.uid, Purpose.DECRYPT, parts.suite.parameters)
    plaintext = await ctx.crypto(
        use.provider,
        use.provider.decrypt,
        use.permit,
        parts.ciphertext,
        parts.iv,
        blob.additional_data(parts.suite, parts.uid, entries),
        parts.tag,
        algorithm=use.permit.algorithm,
        size=len(data),
    )
    return Opened(use.key, plaintext)


def _check_expected(ctx: Context, expected: str | UniqueIdentifier | int, version: ManagedObject) -> None:
    if isinstance(expected, str) and names_cmk(expected):
        same = record_for(ctx, expected).uid == cmk_of(version)
    else:
        same = ctx.resolve(expected) == version.uid
    if not same:
        raise invalid_field("another key made this ciphertext")


def data_key_size(spec: str | None, number_of_bytes: int | None) -> int:
    """How long a data key is to be, in bytes. Raises KmsError Invalid Field."""
    if number_of_bytes is not None:
        if not 0 < number_of_bytes <= MAXIMUM_DATA_KEY:
            raise invalid_field(f"a data key has 1 to {MAXIMUM_DATA_KEY} bytes")
        return number_of_bytes
    size = DATA_KEY_SPECS.get(DEFAULT_DATA_KEY if spec is None else spec)
    if size is None:
        raise invalid_field(f"a data key is {' or '.join(DATA_KEY_SPECS)}, or of a number of bytes")
    return size
