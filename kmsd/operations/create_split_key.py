"""Create Split Key: KMIP 1.4 §4.38, 2.1 §6.1.10: a key in parts, one object each. The key stays where it is."""

from __future__ import annotations

from dataclasses import replace

from kmsd.crypto import splitting
from kmsd.domain import lifecycle, making
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.domain.usage import Purpose
from kmsd.operations import addressing, shells
from kmsd.operations.context import Context, reference, refused
from kmsd.operations.generating import new_symmetric
from kmsd.operations.new_objects import begin, check_quota
from protocol.attributes import Attribute, Template
from protocol.enums import KeyFormatType, LinkType, ObjectType, ResultReason, SplitKeyMethod
from protocol.objects import KeyBlock, SplitKey
from protocol.operations.create_split_key import CreateSplitKeyRequest, CreateSplitKeyResponse
from protocol.structures import CryptographicParameters, Link

SPLITTABLE = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.PRIVATE_KEY, ObjectType.SECRET_DATA})

INHERITED = (
    "Cryptographic Algorithm",
    "Cryptographic Length",
    "Cryptographic Usage Mask",
    "Sensitive",
    "Extractable",
)
"""Of the key, whatever the request says: "the attributes of the key take precedence". A part can be had no more
easily than the key."""

_HISTORY = ("Always Sensitive", "Never Extractable")


async def handle(ctx: Context, request: CreateSplitKeyRequest) -> CreateSplitKeyResponse:
    if request.object_type not in SPLITTABLE | {ObjectType.SPLIT_KEY}:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not split")
    # The parts are software objects: a request for other storage is refused, not ignored.
    making.protection(
        AttributeSet(),
        request.protection_storage_masks,
        ProtectionLevel.SOFTWARE,
        frozenset({ProtectionLevel.SOFTWARE}),
    )
    check_quota(ctx, request.split_key_parts if 0 < request.split_key_parts <= splitting.MAX_PARTS else 1)
    if request.unique_identifier is None:
        key = await _new_key(ctx, request)
        inherited = key.attributes
    else:
        key = ctx.load(request.unique_identifier)
        _check_source(key)
        inherited = key.attributes.set("Link", Link(link_type=LinkType.PARENT_LINK, linked_object_identifier=key.uid))
    permit = addressing.permit(ctx, key, Purpose.EXPORT, CryptographicParameters())
    provider = ctx.provider(ProtectionLevel.SOFTWARE)
    secret = await ctx.crypto(provider, provider.export, permit, algorithm=permit.algorithm)
    prime = request.prime_field_size
    if prime is None and request.split_key_method == SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD:
        prime = await ctx.crypto(provider, splitting.choose_prime, len(secret) * 8, provider.random, size=_LONG)
    shares = await ctx.crypto(
        provider,
        splitting.split,
        request.split_key_method,
        secret,
        request.split_key_parts,
        request.split_key_threshold,
        prime,
        provider.random,
        size=_LONG if prime else len(secret) * request.split_key_parts * request.split_key_threshold,
    )
    template = _template(request.attributes, inherited)
    parts = []
    for identifier, share in enumerate(shares, 1):
        wire = SplitKey(
            split_key_parts=request.split_key_parts,
            key_part_identifier=identifier,
            split_key_threshold=request.split_key_threshold,
            split_key_method=request.split_key_method,
            prime_field_size=prime,
            key_block=KeyBlock(key_format_type=KeyFormatType.RAW),
        )
        parts.append(_part(ctx, template, inherited, wire, share))
    ctx.save(*parts)
    # "The ID Placeholder value SHALL be set to the Unique Identifier of the split whose Key Part Identifier is 1".
    ctx.give(*(part.uid for part in parts), placeholder=parts[0].uid)
    return CreateSplitKeyResponse(unique_identifiers=tuple(part.uid for part in parts))


_LONG = 1 << 30
"""A size that no event loop should wait for: arithmetic with primes."""


def _check_source(key: ManagedObject) -> None:
    if key.object_type not in SPLITTABLE:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not split")
    if lifecycle.is_destroyed(key):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    if key.protection is ProtectionLevel.HSM:
        raise KmsError(ResultReason.NOT_EXTRACTABLE, "the key never leaves the HSM, not in parts either")


async def _new_key(ctx: Context, request: CreateSplitKeyRequest) -> ManagedObject:
    """A key that is only ever its parts: made, split, and not kept."""
    wanted = {"Cryptographic Algorithm", "Cryptographic Length", "Cryptographic Usage Mask", "Sensitive", "Extractable"}
    chosen = tuple(a for a in request.attributes.attributes if a.key in wanted)
    key = begin(
        ctx, ObjectType.SYMMETRIC_KEY, replace(request.attributes, attributes=chosen), None, ProtectionLevel.SOFTWARE
    )
    key, made = await new_symmetric(ctx, key)
    return making.with_material(key, made.material, made.length, None, KeyFormatType.RAW)


def _template(template: Template, inherited: AttributeSet) -> Template:
    own = tuple(a for a in template.attributes if a.key not in INHERITED)
    return replace(template, attributes=own + tuple(_inherited(inherited)))


def _inherited(attributes: AttributeSet) -> list[Attribute]:
    return [attribute for name in (*INHERITED, "Link") for attribute in attributes.all(name)]


def _part(ctx: Context, template: Template, inherited: AttributeSet, wire: SplitKey, share: bytes) -> ManagedObject:
    part = begin(ctx, ObjectType.SPLIT_KEY, template, None, ProtectionLevel.SOFTWARE)
    for name in _HISTORY:
        part = part.set(name, inherited.get(name))
    part = shells.keep(part, wire)
    provider = ctx.provider(part.protection)
    with refused():
        stored = provider.store(reference(part), share, KeyFormatType.RAW)
    return making.with_material(part, stored.material, part.length, stored.digest, KeyFormatType.RAW)
