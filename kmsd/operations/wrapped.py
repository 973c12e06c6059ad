"""Key Blocks wrapped under other keys of the tenant: out with Get, in with Register (KMIP 1.4 §2.1.5, §2.1.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from kmsd.crypto.wrapping import (
    HeldKey,
    check_specification,
    unwrap_key_block,
    value_bytes,
    wrap_key_block,
    wrapped_bytes,
)
from kmsd.domain import shown_attributes
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import Purpose
from kmsd.operations import wrapping_keys
from kmsd.operations.context import Context, refused
from kmsd.operations.wrapping_keys import WrappingKey
from protocol.attributes import AttributeReference
from protocol.enums import EncodingOption, ObjectType, ResultReason, WrappingMethod
from protocol.objects import KeyBlock, KeyValue, KeyWrappingData, KeyWrappingSpecification


class Keys(NamedTuple):
    """Those that a Wrapping Method needs."""

    encryption: WrappingKey | None
    authentication: WrappingKey | None

    @property
    def held(self) -> tuple[HeldKey | None, HeldKey | None]:
        encryption, authentication = (
            None if key is None else HeldKey(key.use.provider, key.use.permit) for key in self
        )
        return encryption, authentication

    def slowest(self, size: int) -> WrappingKey:
        """The one that says where calls with `size` bytes run."""
        found = [key for key in self if key is not None]
        return next((key for key in found if not key.use.provider.is_short(key.use.key.algorithm, size)), found[0])


async def wrap(ctx: Context, key: ManagedObject, block: KeyBlock, specification: KeyWrappingSpecification) -> KeyBlock:
    """The Key Block as the specification of a Get asks. Raises KmsError: Usage Limit Exceeded, too."""
    if specification.attribute_names:
        block = _with_attributes(ctx, key, block, specification)
    with refused():
        check_specification(specification)
        value = value_bytes(block, specification.encoding_option, ctx.version)
    keys = await _keys(ctx, specification, wrapping_keys.MAKING, len(value))
    if key.uid in {other.use.key.uid for other in keys if other is not None}:
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "a key does not wrap itself")
    _check_signature(key, specification, keys)
    if keys.encryption is not None:
        # Its IVs are random, too.
        ctx.services.encryptions.count(ctx, keys.encryption.use)
    slowest = keys.slowest(len(value))
    return await ctx.crypto(
        slowest.use.provider,
        wrap_key_block,
        block,
        value,
        _as_used(specification, keys),
        *keys.held,
        algorithm=slowest.use.key.algorithm,
        size=len(value),
    )


def _with_attributes(
    ctx: Context, key: ManagedObject, block: KeyBlock, specification: KeyWrappingSpecification
) -> KeyBlock:
    """The Key Block with the attributes that are to be wrapped with the key (KMIP 1.4 §2.1.6)."""
    if specification.encoding_option == EncodingOption.NO_ENCODING:
        # "If No Encoding is specified, then the Key Value SHALL NOT contain any attributes".
        raise KmsError(ResultReason.ENCODING_OPTION_ERROR, "No Encoding takes no attributes")
    if not isinstance(block.key_value, KeyValue):
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "the key is wrapped already, or has no value")
    names = [AttributeReference(name) for name in specification.attribute_names]
    chosen = tuple(shown_attributes.chosen(key, names, ctx.version))
    return replace(block, key_value=replace(block.key_value, attributes=chosen))


def _check_signature(key: ManagedObject, specification: KeyWrappingSpecification, keys: Keys) -> None:
    """Raise KmsError where a signature would give away what the encryption beside it hides.

    The signature of MAC/sign then encrypt is of the plain Key Value and is not encrypted: whoever has the public key
    can try guesses against it, and unlike a key a password can be guessed.
    """
    if (
        specification.wrapping_method == WrappingMethod.MAC_SIGN_THEN_ENCRYPT
        and key.object_type == ObjectType.SECRET_DATA
        and keys.authentication is not None
        and keys.authentication.use.permit.purpose is Purpose.SIGN
    ):
        raise KmsError(
            ResultReason.ILLEGAL_OPERATION,
            "Secret Data is not signed before it is encrypted: use Encrypt then MAC/sign",
        )


def _as_used(specification: KeyWrappingSpecification, keys: Keys) -> KeyWrappingSpecification:
    """The specification with the keys and parameters as the wrapped key will name them."""
    encryption, authentication = specification.encryption_key_information, specification.mac_signature_key_information
    with refused():
        if encryption is not None and keys.encryption is not None:
            encryption = keys.encryption.stated_in(encryption)
        if authentication is not None and keys.authentication is not None:
            authentication = keys.authentication.stated_in(authentication)
    return replace(specification, encryption_key_information=encryption, mac_signature_key_information=authentication)


async def opened_or_kept(ctx: Context, block: KeyBlock, data: KeyWrappingData) -> KeyBlock | None:
    """The plain Key Block; None where the wrapping key is not for unwrapping, and the object is kept as it came.

    KMIP 1.4 §4.41 of wrapped objects: "the server SHALL store the object as provided". Such an object is given back
    as it was registered, and used for nothing else. One with a MAC or a signature is not taken without a look at it.
    """
    try:
        return await unwrap(ctx, block, data)
    except KmsError as error:
        if (
            data.wrapping_method != WrappingMethod.ENCRYPT
            or error.reason != ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK
        ):
            raise
        return None


async def unwrap(ctx: Context, block: KeyBlock, data: KeyWrappingData) -> KeyBlock:
    """The plain Key Block of a wrapped one that a client registers. Raises KmsError."""
    with refused():
        check_specification(data)
        size = len(wrapped_bytes(block))
    keys = await _keys(ctx, data, wrapping_keys.OPENING)
    slowest = keys.slowest(size)
    return await ctx.crypto(
        slowest.use.provider,
        unwrap_key_block,
        block,
        ctx.version,
        *keys.held,
        algorithm=slowest.use.key.algorithm,
        size=size,
    )


def wrapping_object(ctx: Context, data: KeyWrappingData) -> str:
    """The Unique Identifier of "the Managed Object with which the Managed Object being registered is wrapped" (KMIP 2.1
    §6.1.43): the key that encrypted it, else the one that MACed or signed it. Raises KmsError."""
    information = data.encryption_key_information or data.mac_signature_key_information
    if information is None:
        raise invalid_field("the Key Wrapping Data names no key")
    return ctx.resolve(information.unique_identifier)


async def _keys(
    ctx: Context,
    specification: KeyWrappingSpecification | KeyWrappingData,
    roles: tuple[wrapping_keys.Role, wrapping_keys.Role],
    size: int = 0,
) -> Keys:
    """Each with its permit, before any of them is used."""
    informations = (specification.encryption_key_information, specification.mac_signature_key_information)
    encryption, authentication = [
        None if information is None else wrapping_keys.find(ctx, role, information, size)
        for role, information in zip(roles, informations, strict=True)
    ]
    if encryption is not None and authentication is not None and encryption.use.key.uid == authentication.use.key.uid:
        # GCM and CMAC, to name two, are no longer safe under a key that they share.
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "one key does not both encrypt and authenticate")
    return Keys(encryption, authentication)
