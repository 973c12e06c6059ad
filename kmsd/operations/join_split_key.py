"""Join Split Key: KMIP 1.4 §4.39, 2.1 §6.1.27: one object again, out of enough of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kmsd.crypto import keyformats, splitting
from kmsd.crypto.errors import KeyMaterialError
from kmsd.crypto.keyformats import ParsedKey
from kmsd.domain import making, usage
from kmsd.domain.algorithms import PAIRS
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.domain.policy import check_algorithm
from kmsd.domain.usage import Purpose
from kmsd.operations import shells
from kmsd.operations.context import Context
from kmsd.operations.new_objects import begin, check_quota, kept
from kmsd.operations.register import IN_HSM
from protocol.attributes import Attribute, Template
from protocol.enums import (
    KeyFormatType,
    ObjectType,
    ResultReason,
    SecretDataType,
    SplitKeyMethod,
)
from protocol.objects import KeyBlock, SecretData, SplitKey
from protocol.operations.join_split_key import JoinSplitKeyRequest, JoinSplitKeyResponse
from protocol.structures import CryptographicDomainParameters, CryptographicParameters

FORMATS: Mapping[ObjectType, tuple[KeyFormatType, ...]] = {
    ObjectType.SYMMETRIC_KEY: (KeyFormatType.RAW,),
    ObjectType.SECRET_DATA: (KeyFormatType.RAW,),
    ObjectType.PRIVATE_KEY: (KeyFormatType.PKCS_8, KeyFormatType.PKCS_1, KeyFormatType.EC_PRIVATE_KEY),
}
"""What may be formed of parts, and how its bytes may read: the parts do not say."""


async def handle(ctx: Context, request: JoinSplitKeyRequest) -> JoinSplitKeyResponse:
    object_type = request.object_type
    if object_type not in FORMATS:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "split keys do not form an object of this type")
    if request.secret_data_type is not None and object_type != ObjectType.SECRET_DATA:
        raise invalid_field("only Secret Data has a Secret Data Type")
    check_quota(ctx, 1)
    if len(request.unique_identifiers) > splitting.MAX_PARTS:
        raise invalid_field(f"a key has {splitting.MAX_PARTS} parts at most")
    parts = {}
    for identifier in request.unique_identifiers:
        part = ctx.load(identifier)
        parts[part.uid] = part
    secret = await _secret(ctx, list(parts.values()))
    key = begin(
        ctx,
        object_type,
        _template(object_type, request.attributes, list(parts.values())),
        request.protection_storage_masks,
        None if object_type in IN_HSM else ProtectionLevel.SOFTWARE,
    )
    for name in ("Always Sensitive", "Never Extractable"):
        if any(part.attributes.get(name) is False for part in parts.values()):
            key = key.set(name, False)
    if object_type == ObjectType.SECRET_DATA:
        kind = request.secret_data_type or SecretDataType.SEED
        block = KeyBlock(key_format_type=KeyFormatType.RAW)
        key = shells.keep(key, SecretData(secret_data_type=kind, key_block=block))
    ctx.save(await _stored(ctx, key, secret))
    ctx.give(key.uid)
    return JoinSplitKeyResponse(unique_identifier=key.uid)


async def _secret(ctx: Context, parts: list[ManagedObject]) -> bytes:
    shares: dict[int, bytes] = {}
    shapes = set()
    for part in parts:
        if part.object_type != ObjectType.SPLIT_KEY:
            raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "only split keys are joined")
        wire: SplitKey = shells.restore(part)
        shapes.add((wire.split_key_method, wire.split_key_parts, wire.split_key_threshold, wire.prime_field_size))
        permit = usage.permit(part, Purpose.EXPORT, CryptographicParameters(), ctx.now)
        provider = ctx.provider(part.protection)
        share = await ctx.crypto(provider, provider.export, permit)
        if shares.setdefault(wire.key_part_identifier, share) != share:
            raise KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "two different parts have one Key Part Identifier")
    if len(shapes) != 1:
        raise KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "the split keys are not parts of one key")
    method, number, threshold, prime = shapes.pop()
    if len(shares) < threshold:
        # KMIP 1.4 §11.40: fewer than the threshold is a Cryptographic Failure.
        raise KmsError(
            ResultReason.CRYPTOGRAPHIC_FAILURE, f"{len(shares)} different parts are given, {threshold} are needed"
        )
    prime_field = method == SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD
    length = (parts[0].length + 7) // 8 or None
    encoded = (
        parts[0].algorithm in PAIRS
    )  # DER, which never begins with a zero byte, and whose length is not the Cryptographic Length
    size = 1 << 30 if prime_field else threshold * sum(len(share) for share in shares.values())
    secret = await ctx.crypto(
        ctx.tenant.software,
        splitting.join,
        method,
        shares,
        number,
        threshold,
        prime,
        None if encoded else length,
        size=size,
    )
    return secret.lstrip(b"\0") if encoded and prime_field else secret


def _template(object_type: ObjectType, template: Template | None, parts: list[ManagedObject]) -> Template:
    """The attributes asked for; what the parts say of the key where the request does not. A key out of Sensitive
    parts is Sensitive, and one of parts that are not Extractable is neither."""
    template = template or Template()
    first = parts[0].attributes
    given = {attribute.key for attribute in template.attributes}
    added = []
    for name in ("Cryptographic Algorithm", "Cryptographic Usage Mask"):
        value = first.get(name)
        if value is not None and name not in given and object_type != ObjectType.SECRET_DATA:
            added.append(Attribute(name, value))
    kept = template.attributes
    for name, strict in (("Sensitive", True), ("Extractable", False)):
        if any(part.attributes.get(name) is strict for part in parts):
            kept = tuple(a for a in kept if a.key != name)
            added.append(Attribute(name, strict))
    return replace(template, attributes=kept + tuple(added))


async def _stored(ctx: Context, key: ManagedObject, secret: bytes) -> ManagedObject:
    parsed = await ctx.crypto(ctx.tenant.software, _parse, key, secret, algorithm=key.algorithm)
    if parsed.algorithm is not None and key.object_type in making.USED_AS_KEYS:
        check_algorithm(ctx.tenant.policy, parsed.algorithm, parsed.length, parsed.curve)
        key = key.set("Cryptographic Algorithm", parsed.algorithm)
        key = key.set("Cryptographic Length", parsed.length)
    if parsed.curve is not None:
        parameters = CryptographicDomainParameters(recommended_curve=parsed.curve)
        key = key.set("Cryptographic Domain Parameters", parameters)
    return await kept(ctx, key, parsed)


def _parse(key: ManagedObject, secret: bytes) -> ParsedKey:
    if key.object_type == ObjectType.SYMMETRIC_KEY and key.algorithm is None:
        raise invalid_field("the Cryptographic Algorithm is missing")
    for format_ in FORMATS[key.object_type]:
        try:
            return keyformats.parse(key.object_type, format_, secret, key.algorithm, key.length or None)
        except KeyMaterialError:
            continue
    # Wrong parts give wrong bytes; what they gave is nobody's to know.
    raise KmsError(ResultReason.CRYPTOGRAPHIC_FAILURE, "the parts do not form such a key")
