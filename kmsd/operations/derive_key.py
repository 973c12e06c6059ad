"""Derive Key: KMIP 1.4 §4.6, 2.1 §6.1.14: a Symmetric Key or Secret Data out of objects that are here already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kmsd.crypto.keyformats import ParsedKey
from kmsd.crypto.provider import Derivation
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.domain.policy import check_algorithm
from kmsd.domain.usage import Purpose
from kmsd.operations import shells
from kmsd.operations.context import Context
from kmsd.operations.new_objects import begin, check_quota, kept
from kmsd.operations.using import Use, permitted
from protocol.enums import (
    DerivationMethod,
    KeyFormatType,
    LinkType,
    ObjectType,
    ResultReason,
    SecretDataType,
    UniqueIdentifier,
)
from protocol.objects import KeyBlock, SecretData
from protocol.operations.derive_key import DeriveKeyRequest, DeriveKeyResponse

DERIVABLE = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA})

_SECRETS = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA})
_AGREEMENT = [ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY]

WITHOUT_DATA = frozenset({DerivationMethod.PBKDF2, DerivationMethod.HASH})
"""Methods whose only input beside the parameters is the object itself."""


class _Roles(NamedTuple):
    """The objects of a request by what they do: the key, and the Secret Data or public key beside it."""

    key: ManagedObject
    other: ManagedObject | None


async def handle(ctx: Context, request: DeriveKeyRequest) -> DeriveKeyResponse:
    if request.object_type not in DERIVABLE:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "Symmetric Keys and Secret Data are derived, nothing else")
    if not request.derivation_method.known:
        raise invalid_field("unknown Derivation Method")
    bases = _bases(ctx, request)
    roles = _roles(bases, request)
    check_quota(ctx, 1)
    new = _begin(ctx, request)
    uses = [
        permitted(
            ctx,
            base.uid,
            Purpose.DERIVE,
            request.derivation_parameters.cryptographic_parameters,
            new.length // 8,
        )
        for base in (roles.key, roles.other)
        if base is not None
    ]
    new = await _derived(ctx, new, request, *uses)
    for base in bases:
        new = rekey.link(new, LinkType.DERIVATION_BASE_OBJECT_LINK, base.uid)
        # Loaded again: what was charged to its Usage Limits stays.
        ctx.save(rekey.link(ctx.load(base.uid), LinkType.DERIVED_KEY_LINK, new.uid))
    ctx.save(new)
    ctx.give(new.uid)
    return DeriveKeyResponse(unique_identifier=new.uid)


def _bases(ctx: Context, request: DeriveKeyRequest) -> list[ManagedObject]:
    uids = request.unique_identifiers
    # KMIP 1.4 §4.6: "the current value of the ID Placeholder SHALL NOT be used".
    if UniqueIdentifier.ID_PLACEHOLDER in [uid for uid in uids if isinstance(uid, UniqueIdentifier)]:
        raise KmsError(ResultReason.INVALID_MESSAGE, "the objects to derive from are named by their identifiers")
    bases = [ctx.load(uid) for uid in uids]
    if len({base.uid for base in bases}) != len(bases):
        raise invalid_field("an object is named twice")
    return bases


def _roles(bases: Sequence[ManagedObject], request: DeriveKeyRequest) -> _Roles:
    """Which object is the key. Raises KmsError: Invalid Object Type, Invalid Message (data in two places), Invalid
    Field."""
    data = request.derivation_parameters.derivation_data
    by_type = sorted(bases, key=lambda base: base.object_type == ObjectType.SECRET_DATA)
    if request.derivation_method == DerivationMethod.ASYMMETRIC_KEY:
        pair = sorted(bases, key=lambda base: base.object_type != ObjectType.PRIVATE_KEY)
        if [base.object_type for base in pair] != _AGREEMENT:
            raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "key agreement takes one private and one public key")
        return _Roles(pair[0], pair[1])
    if any(base.object_type not in _SECRETS for base in bases):
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "this method takes Symmetric Keys and Secret Data")
    if request.derivation_method in WITHOUT_DATA and (data or len(bases) > 1):
        raise KmsError(ResultReason.INVALID_MESSAGE, "this method takes one object and no Derivation Data beside it")
    if len(bases) == 1:
        return _Roles(by_type[0], None)
    if len(bases) > 2 or by_type[1].object_type != ObjectType.SECRET_DATA:
        raise invalid_field("this method takes one key, and one Secret Data in place of Derivation Data")
    if data:
        raise KmsError(ResultReason.INVALID_MESSAGE, "Derivation Data is given, and Secret Data in its place")
    return _Roles(by_type[0], by_type[1])


def _begin(ctx: Context, request: DeriveKeyRequest) -> ManagedObject:
    secret_data = request.object_type == ObjectType.SECRET_DATA
    new = begin(ctx, request.object_type, request.attributes, None, ProtectionLevel.SOFTWARE if secret_data else None)
    if not new.length or new.length % 8:
        raise invalid_field("the Cryptographic Length is missing, or no whole number of bytes")
    if not secret_data:
        if new.algorithm is None:
            raise invalid_field("the Cryptographic Algorithm is missing")
        check_algorithm(ctx.tenant.policy, new.algorithm, new.length)
    else:
        block = KeyBlock(key_format_type=KeyFormatType.RAW)
        new = shells.keep(new, SecretData(secret_data_type=SecretDataType.SEED, key_block=block))
    return new.set("Original Creation Date", new.attributes.get("Original Creation Date", ctx.now))


async def _derived(
    ctx: Context, new: ManagedObject, request: DeriveKeyRequest, use: Use, beside: Use | None = None
) -> ManagedObject:
    if use.key.protection is ProtectionLevel.HSM:
        raise KmsError(
            ResultReason.FEATURE_NOT_SUPPORTED, "nothing is derived from keys in the HSM: the result would leave it"
        )
    software = ctx.tenant.software
    parameters = request.derivation_parameters
    agreement = request.derivation_method == DerivationMethod.ASYMMETRIC_KEY
    other = None
    if beside is not None:
        other = await ctx.crypto(beside.provider, beside.provider.export, beside.permit, algorithm=beside.key.algorithm)
    wanted = Derivation(
        method=request.derivation_method,
        length=new.length // 8,
        parameters=use.permit.parameters,
        data=parameters.derivation_data if other is None or agreement else (other,),
        iv=parameters.initialization_vector,
        salt=parameters.salt,
        iterations=parameters.iteration_count,
        peer=other if agreement else None,
    )
    value = await ctx.crypto(
        software, software.derive, use.permit, wanted, algorithm=use.permit.algorithm, size=wanted.work
    )
    return await kept(ctx, new, ParsedKey(value, KeyFormatType.RAW, KeyFormatType.RAW, new.algorithm, new.length))
