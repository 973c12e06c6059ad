"""Imported material of CMKs: the wrapping key for it, opening it, and keeping it as a version."""

from __future__ import annotations

from dataclasses import replace
from hmac import compare_digest
from typing import NamedTuple

from kmsd.crypto import asymmetric, keyformats, sm2
from kmsd.crypto.errors import KeyMaterialError
from kmsd.crypto.keyformats import ParsedKey
from kmsd.crypto.provider import KeyReference, NewKey, Provider
from kmsd.crypto.transport import identity, open_inner, split
from kmsd.domain import import_tokens, lifecycle, making, usage
from kmsd.domain.cmk import Cmk
from kmsd.domain.errors import KmsError
from kmsd.domain.import_tokens import ImportToken
from kmsd.domain.key_specs import KeySpec
from kmsd.domain.objects import AttributeSet, ManagedObject, ProtectionLevel
from kmsd.domain.transport import Inner
from kmsd.domain.usage import KeyUse, Purpose
from kmsd.operations.context import LONG, Context, reference
from kmsd.operations.new_objects import bare, kept
from protocol.attributes import Attribute
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    KeyFormatType,
    ObjectType,
    ResultReason,
    State,
)
from protocol.structures import CryptographicParameters

_PRIVATE = {"Sensitive": True, "Extractable": False}

_ONE_ANSWER = frozenset(
    {
        ResultReason.CRYPTOGRAPHIC_FAILURE,
        ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS,
        ResultReason.INVALID_FIELD,
    }
)
"""Reasons that would tell what is wrong with wrapped material."""


class Brought(NamedTuple):
    """Material that opened, and is of the kind that the CMK is."""

    digest: bytes
    parsed: ParsedKey | None = None
    """None where it has gone from the wrapping into the token, and nobody has seen it."""
    spki: bytes | None = None
    """The public half, where there is one."""
    kept: NewKey | None = None
    """What the token made of it."""

    def __repr__(self) -> str:
        return f"Brought({self.parsed or self.kept!r})"


async def make_wrapping_pair(ctx: Context, cmk: Cmk, token: ImportToken) -> tuple[bytes, ManagedObject]:
    """(SubjectPublicKeyInfo, the private key), made where the CMK lives."""
    spec = token.spec
    provider = ctx.provider(cmk.protection)
    _check_offered(provider, token)
    public, private = (
        _new_object(ctx, object_type, cmk.protection, spec, mask)
        for object_type, mask in (
            (ObjectType.PUBLIC_KEY, CryptographicUsageMask.WRAP_KEY),
            (ObjectType.PRIVATE_KEY, CryptographicUsageMask.UNWRAP_KEY),
        )
    )
    made = await ctx.crypto(
        provider,
        provider.generate_pair,
        reference(public),
        reference(private),
        spec.curve,
        algorithm=spec.algorithm,
        size=LONG,
    )
    public, private = (
        making.with_material(key, new.material, new.length, new.digest, KeyFormatType.PKCS_8)
        for key, new in zip((public, private), made, strict=True)
    )
    ctx.forget_on_rollback(provider, private)
    permit = usage.permit(public, Purpose.EXPORT, CryptographicParameters(), ctx.now)
    spki = await ctx.crypto(provider, provider.export, permit, algorithm=spec.algorithm)
    return spki, import_tokens.as_wrapping_key(private, token)


def _check_offered(provider: Provider, token: ImportToken) -> None:
    """Raise KmsError for what the token would not open later on."""
    parameters = token.transport.parameters
    padding, hashing = parameters.padding_method, parameters.hashing_algorithm
    if token.spec.algorithm == CryptographicAlgorithm.RSA and (padding, hashing) not in provider.capabilities.paddings:
        raise KmsError(
            ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
            f"{provider.protection.value} protection does not offer {token.transport.name}",
        )


def _new_object(
    ctx: Context, object_type: ObjectType, level: ProtectionLevel, spec: KeySpec, mask: CryptographicUsageMask
) -> ManagedObject:
    attributes = AttributeSet(
        (
            Attribute("Cryptographic Algorithm", spec.algorithm),
            Attribute("Cryptographic Length", spec.length),
            Attribute("Cryptographic Usage Mask", mask),
            Attribute("Activation Date", ctx.now),
        )
    )
    if object_type != ObjectType.PUBLIC_KEY:
        attributes = attributes.set_all(_PRIVATE)
    return bare(ctx, object_type, attributes, level)


async def opened(
    ctx: Context, cmk: Cmk, key: ManagedObject, wrapping: ManagedObject, token: ImportToken, wrapped: bytes
) -> Brought:
    """The material for a version under a wrapping key: in the token where it can, else here.

    Raises KmsError, with one answer for all that may be wrong with it.
    """
    provider = ctx.provider(wrapping.protection)
    permit = usage.permit(wrapping, Purpose.UNWRAP, token.transport.parameters, ctx.now)
    try:
        brought, known = await ctx.crypto(
            provider,
            _open,
            provider,
            permit,
            cmk.spec,
            token,
            wrapped,
            reference(key),
            algorithm=wrapping.algorithm,
            size=LONG,
        )
    except KmsError as error:
        if error.reason not in _ONE_ANSWER:
            raise
        raise import_tokens.not_taken() from error
    digest = ctx.tenant.software.fingerprint(ctx.tenant.name, cmk.uid.encode() + b"\0" + known)
    if cmk.material_digest is not None and not compare_digest(digest, cmk.material_digest):
        raise import_tokens.not_taken()
    return brought._replace(digest=digest)


def _open(
    provider: Provider, permit: KeyUse, spec: KeySpec, token: ImportToken, wrapped: bytes, target: KeyReference
) -> tuple[Brought, bytes]:
    """(what was brought, its identity)."""
    if token.transport.inner is None:
        taken = provider.take_wrapped(permit, wrapped, target)
        if taken is not None:
            return Brought(b"", kept=taken[0]), taken[1]
    outer, rest = split(token.spec, token.transport, wrapped)
    material = provider.unwrap(permit, outer)
    if token.transport.inner is not None:
        material = open_inner(token.transport.inner, material, rest)
        if token.transport.inner is Inner.SM4_ECB and spec.algorithm == CryptographicAlgorithm.SM2:
            material = sm2.private_from_value(int.from_bytes(material)).pkcs8
    parsed, spki = _checked(spec, material)
    return Brought(b"", parsed, spki), identity(spec.algorithm, parsed.material)


def _checked(spec: KeySpec, material: bytes) -> tuple[ParsedKey, bytes | None]:
    """The key, and its public half. Raises KeyMaterialError for what is no key of the CMK's specification."""
    object_type = ObjectType.PRIVATE_KEY if spec.pair else ObjectType.SYMMETRIC_KEY
    format_ = KeyFormatType.PKCS_8 if spec.pair else KeyFormatType.RAW
    parsed = keyformats.parse(object_type, format_, material, spec.algorithm, spec.length)
    if parsed.length != spec.length or (spec.curve is not None and parsed.curve != spec.curve):
        raise KeyMaterialError("the key is of another specification")
    spki = None
    if spec.pair:
        key = asymmetric.load_private(material)
        public = key.public_key if isinstance(key, sm2.Sm2PrivateKey) else key.public_key()
        spki = asymmetric.spki(public)
    return parsed, spki


async def stored(ctx: Context, key: ManagedObject, brought: Brought) -> ManagedObject:
    """The version with its material, where its protection says; Active, also where it has waited for it again."""
    key = key.set("Key Value Present", None)
    if key.state is State.PRE_ACTIVE:
        key = lifecycle.activate(key, ctx.now)
    if brought.kept is not None:
        return making.with_material(key, brought.kept.material, brought.kept.length, None, KeyFormatType.RAW)
    if brought.parsed is None:
        raise TypeError("nothing was brought")
    return await kept(ctx, key, replace(brought.parsed, registered=brought.parsed.format))


async def stored_public(ctx: Context, key: ManagedObject, brought: Brought) -> ManagedObject:
    """The same for the public half of a pair."""
    if brought.spki is None:
        raise TypeError("a pair without its public half")
    return await stored(ctx, key, brought._replace(parsed=_public(brought)))


def _public(brought: Brought) -> ParsedKey | None:
    parsed, spki = brought.parsed, brought.spki
    return None if parsed is None or spki is None else replace(parsed, material=spki, format=KeyFormatType.X_509)
