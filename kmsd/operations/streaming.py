"""Cryptography in parts: Init Indicator, Correlation Value, Final Indicator (KMIP 1.4 §4.29 to §4.37).

A stream belongs to the client that began it, and to one operation on one key. It is bounded in number, in size and in
time. Each part asks for the permit anew: a key that is revoked in between does not finish.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from kmsd.crypto.ciphers import cipher_scheme
from kmsd.crypto.parameters import WHOLE_SIGNATURES, signature_scheme
from kmsd.crypto.provider import Encrypted, Provider, Stream
from kmsd.crypto.streams import HashStream
from kmsd.crypto.symmetric import choose_iv
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.usage import KeyUse, Purpose
from kmsd.operations.context import Context, refused
from kmsd.operations.open_streams import OpenStream
from kmsd.operations.using import Use, permitted
from protocol.enums import ObjectType, ResultReason

COLLECTED = 1 << 20
"""Bytes of a stream whose parts can only be worked on together."""


class Collected:
    """A stream for what works on whole data only: the parts are kept, and `whole` does the work at the end."""

    def __init__(self, whole: Callable[[bytes, bytes | None], Encrypted]) -> None:
        self._whole = whole
        self._parts: list[bytes] = []
        self._size = 0

    def update(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > COLLECTED:
            raise KmsError(
                ResultReason.SERVER_LIMIT_EXCEEDED, f"such an operation takes {COLLECTED} bytes in all its parts"
            )
        self._parts.append(data)
        return b""

    def finish(self, data: bytes, tag: bytes | None = None) -> Encrypted:
        self.update(data)
        return self._whole(b"".join(self._parts), tag)


class Part(NamedTuple):
    """What one part gave. `correlation` goes into the response, None for the last one."""

    used: Use | None
    result: Encrypted
    correlation: bytes | None
    more: Any

    @property
    def is_last(self) -> bool:
        return self.correlation is None

    @property
    def use(self) -> Use:
        """The key's; a Hash has none."""
        if self.used is None:
            raise TypeError("no key is used")
        return self.used

    @property
    def data(self) -> bytes | None:
        """None rather than nothing: a part that completes no block has no Data."""
        return self.result.data or None


def is_whole(request: Any) -> bool:
    """Whether the request is first and last part in one."""
    if request.correlation_value is not None:
        return False
    return not request.init_indicator or bool(request.final_indicator)


async def cipher_part(ctx: Context, request: Any, purpose: Purpose) -> Part:
    """One part of Encrypt or Decrypt, or of a MAC."""
    data = b"" if request.data is None else ctx.resolve_data(request.data)
    tag = getattr(request, "authenticated_encryption_tag", None)
    iv = None

    def begin(use: Use) -> OpenStream:
        nonlocal iv
        if purpose is Purpose.ENCRYPT:
            ctx.services.encryptions.count(ctx, use)
        chosen, iv = _iv(use, purpose, request)
        aad = getattr(request, "authenticated_encryption_additional_data", None)
        stream = use.provider.begin(use.permit, chosen, aad)
        if stream is None:
            stream = Collected(_whole(use.provider, use.permit, purpose, chosen, aad))
        more = getattr(request, "mac_data", None)
        return OpenStream(ctx.batch.identity, ctx.operation, use.key.uid, stream, more)

    part = await _part(ctx, request, purpose, data, tag, begin)
    return part if iv is None else part._replace(result=Encrypted(part.result.data, iv, part.result.tag))


def _iv(use: Use, purpose: Purpose, request: Any) -> tuple[bytes | None, bytes | None]:
    """(the IV, and again where the server chose it)."""
    given = getattr(request, "iv_counter_nonce", None)
    if given is not None or purpose is not Purpose.ENCRYPT or use.key.object_type != ObjectType.SYMMETRIC_KEY:
        return given, None
    chosen = choose_iv(cipher_scheme(use.permit.parameters, use.key.algorithm))
    return chosen, chosen or None


def _whole(
    provider: Provider, permit: KeyUse, purpose: Purpose, iv: bytes | None, aad: bytes | None
) -> Callable[[bytes, bytes | None], Encrypted]:
    calls: dict[Purpose, Callable[[bytes, bytes | None], Encrypted]] = {
        Purpose.ENCRYPT: lambda data, tag: provider.encrypt(permit, data, iv, aad),
        Purpose.DECRYPT: lambda data, tag: Encrypted(provider.decrypt(permit, data, iv, aad, tag)),
        Purpose.MAC_GENERATE: lambda data, tag: Encrypted(provider.mac(permit, data)),
        Purpose.MAC_VERIFY: lambda data, tag: Encrypted(provider.mac(permit, data)),
    }
    return calls[purpose]


async def signature_part(ctx: Context, request: Any, purpose: Purpose) -> Part:
    """One part of Sign or Signature Verify: the data is hashed as it comes, the key is used at the end.

    The result of the last part is the digest; or all the data, where the signature hashes by itself
    (parameters.WHOLE_SIGNATURES).
    """
    if request.digested_data is not None:
        raise invalid_field("Digested Data is whole: it comes in one part")
    data = b"" if request.data is None else ctx.resolve_data(request.data)

    def begin(use: Use) -> OpenStream:
        scheme = signature_scheme(use.permit.parameters, use.key.algorithm, use.key.length, None)
        stream: Stream
        if use.key.algorithm in WHOLE_SIGNATURES:
            stream = Collected(lambda data, tag: Encrypted(data))
        elif scheme.hashing is None:
            raise invalid_field("a signature without a Hashing Algorithm is not made in parts")
        else:
            stream = HashStream(scheme.hashing)
        more = getattr(request, "signature_data", None)
        return OpenStream(ctx.batch.identity, ctx.operation, use.key.uid, stream, more)

    return await _part(ctx, request, purpose, data, None, begin)


def signed_input(part: Part) -> tuple[bytes | None, bytes | None]:
    """(data, digest) that the key signs after the last part: one of them."""
    if part.use.key.algorithm in WHOLE_SIGNATURES:
        return part.result.data, None
    return None, part.result.data


async def hash_part(ctx: Context, request: Any) -> Part:
    """One part of Hash."""
    algorithm = request.cryptographic_parameters.hashing_algorithm
    if algorithm is None:
        raise invalid_field("the Hashing Algorithm is missing")
    data = b"" if request.data is None else ctx.resolve_data(request.data)

    def begin(_: None) -> OpenStream:
        return OpenStream(ctx.batch.identity, ctx.operation, None, HashStream(algorithm))

    return await _part(ctx, request, None, data, None, begin)


async def _part(
    ctx: Context,
    request: Any,
    purpose: Purpose | None,
    data: bytes,
    tag: bytes | None,
    begin: Callable[[Any], OpenStream],
) -> Part:
    streams = ctx.services.streams
    identity = ctx.batch.identity
    value = request.correlation_value
    opened = None
    if value is None:
        streams.check_room(identity)
        value = os.urandom(16)
    else:
        opened = streams.take(value, identity, ctx.operation)
    use = None
    if purpose is not None:
        uid = request.unique_identifier if opened is None else opened.uid
        use = permitted(ctx, uid, purpose, request.cryptographic_parameters, len(data))
    if opened is None:
        with refused():
            opened = begin(use)
    provider = use.provider if use is not None else ctx.tenant.software
    algorithm = use.key.algorithm if use is not None else None
    if request.final_indicator:
        result = await ctx.crypto(provider, opened.stream.finish, data, tag, algorithm=algorithm, size=len(data))
        return Part(use, result, None, opened.more)
    given = await ctx.crypto(provider, opened.stream.update, data, algorithm=algorithm, size=len(data))
    # Only once the item is committed: an item that is run again must not find its part taken in already.
    kept = opened
    ctx.batch.postpone(lambda: streams.put(value, kept))
    return Part(use, Encrypted(given), value, opened.more)
