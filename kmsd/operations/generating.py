"""Keys that the server makes: what Create, Create Key Pair, Re-key and Re-key Key Pair do with a provider."""

from __future__ import annotations

from kmsd.crypto.keyformats import ParsedKey, default_format
from kmsd.crypto.provider import NewKey
from kmsd.domain import making, rekey
from kmsd.domain.algorithms import DEFAULT_LENGTHS
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from kmsd.domain.policy import check_algorithm
from kmsd.operations import shells
from kmsd.operations.context import LONG, Context, reference
from kmsd.operations.new_objects import kept
from protocol.enums import KeyFormatType, LinkType, ResultReason, SecretDataType
from protocol.objects import KeyBlock, KeyValue, SecretData
from protocol.structures import CryptographicDomainParameters

DEFAULT_SECRET = 256
LONGEST_SECRET = 8 * 4096
"""Bits of Secret Data that the server makes up."""


async def new_symmetric(ctx: Context, key: ManagedObject) -> tuple[ManagedObject, NewKey]:
    """The symmetric key with its length, and material for it that nothing keeps yet.

    Raises KmsError: Invalid Attribute Value (no algorithm), Permission Denied (not allowed to the tenant).
    """
    algorithm = key.algorithm
    if algorithm is None:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the Cryptographic Algorithm is missing")
    length = key.length or DEFAULT_LENGTHS.get(algorithm, 0)
    key = key.set("Cryptographic Length", length)
    check_algorithm(ctx.tenant.policy, algorithm, length)
    provider = ctx.provider(key.protection)
    return key, await ctx.crypto(provider, provider.generate, reference(key), algorithm=algorithm, size=length // 8)


async def generate(ctx: Context, key: ManagedObject) -> ManagedObject:
    """The symmetric key with its material. Raises KmsError as `new_symmetric`."""
    key, made = await new_symmetric(ctx, key)
    key = making.with_material(key, made.material, made.length, made.digest, KeyFormatType.RAW, generated=ctx.now)
    ctx.forget_on_rollback(ctx.provider(key.protection), key)
    return key


async def generate_secret(ctx: Context, key: ManagedObject) -> ManagedObject:
    """Secret Data of random bytes: as many as its Cryptographic Length says (in bits), else 32.

    Raises KmsError Invalid Attribute Value for a length that is no whole number of bytes, or too long.
    """
    length = key.length or DEFAULT_SECRET
    if length % 8 or not 0 < length <= LONGEST_SECRET:
        raise KmsError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"the Cryptographic Length is whole bytes, {LONGEST_SECRET} bits at most",
        )
    key = key.set("Cryptographic Length", length)
    source = ctx.provider(ctx.tenant.policy.default_protection)
    value = await ctx.crypto(source, source.random, length // 8, size=length // 8)
    block = KeyBlock(key_format_type=KeyFormatType.OPAQUE, key_value=KeyValue(key_material=value))
    key = shells.keep(key, SecretData(secret_data_type=SecretDataType.PASSWORD, key_block=block))
    parsed = ParsedKey(value, KeyFormatType.OPAQUE, KeyFormatType.OPAQUE, None, length)
    return await kept(ctx, key, parsed, generated=ctx.now)


async def generate_pair(
    ctx: Context, public: ManagedObject, private: ManagedObject
) -> tuple[ManagedObject, ManagedObject]:
    """(public, private) with their material, each linked to the other.

    Raises KmsError: Invalid Attribute Value (the two do not make a pair), Permission Denied.
    """
    algorithm = private.algorithm
    if algorithm is None or public.algorithm != algorithm:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "both keys need one and the same Cryptographic Algorithm")
    length, curve = making.domain_parameters(algorithm, private.attributes)
    if making.domain_parameters(algorithm, public.attributes) != (length, curve):
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the two keys are asked for with different lengths")
    check_algorithm(ctx.tenant.policy, algorithm, length, curve)
    if public.protection is not private.protection:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "both keys of a pair have one protection")
    public, private = (key.set("Cryptographic Length", length) for key in (public, private))
    if curve is not None:
        parameters = CryptographicDomainParameters(recommended_curve=curve)
        public, private = (key.set("Cryptographic Domain Parameters", parameters) for key in (public, private))
    provider = ctx.provider(private.protection)
    made = await ctx.crypto(
        provider,
        provider.generate_pair,
        reference(public),
        reference(private),
        curve,
        algorithm=algorithm,
        size=LONG,
    )
    public, private = (
        making.with_material(
            key,
            new.material,
            new.length,
            new.digest,
            default_format(key.object_type, algorithm),
            generated=ctx.now,
        )
        for key, new in zip((public, private), made, strict=True)
    )
    public = rekey.link(public, LinkType.PRIVATE_KEY_LINK, private.uid)
    private = rekey.link(private, LinkType.PUBLIC_KEY_LINK, public.uid)
    ctx.forget_on_rollback(provider, private)
    return public, private
