"""Key Blocks wrapped under another key of the tenant: out with Get, in with Register (KMIP 1.4 §2.1.5, §2.1.6)."""

from __future__ import annotations

from dataclasses import replace

from kmsd.crypto.wrapping import check_specification, unwrap_key_block, wrap_key_block
from kmsd.domain import attribute_rules
from kmsd.domain.errors import KmsError
from kmsd.domain.making import USED_AS_KEYS
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context, refused
from kmsd.operations.using import Use, permitted
from protocol.attributes import AttributeReference
from protocol.enums import EncodingOption, ResultReason
from protocol.objects import KeyBlock, KeyValue, KeyWrappingData, KeyWrappingSpecification


async def wrap(ctx: Context, key: ManagedObject, block: KeyBlock, specification: KeyWrappingSpecification) -> KeyBlock:
    """The Key Block as the specification of a Get asks. Raises KmsError."""
    if specification.attribute_names:
        block = _with_attributes(ctx, key, block, specification)
    use = await _wrapping_key(ctx, specification, Purpose.WRAP)
    if use.key.uid == key.uid:
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "a key does not wrap itself")
    return await ctx.crypto(
        use.provider,
        wrap_key_block,
        block,
        _by_version(specification, use),
        use.provider,
        use.permit,
        ctx.version,
        algorithm=use.key.algorithm,
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
    chosen = tuple(attribute_rules.chosen(key, names, ctx.version))
    return replace(block, key_value=replace(block.key_value, attributes=chosen))


async def opened_or_kept(ctx: Context, block: KeyBlock, data: KeyWrappingData) -> KeyBlock | None:
    """The plain Key Block; None where the wrapping key is not for unwrapping, and the object is kept as it came.

    KMIP 1.4 §4.42 of wrapped objects: "the server SHALL store the object as provided". Such an object is given back
    as it was registered, and used for nothing else.
    """
    try:
        return await unwrap(ctx, block, data)
    except KmsError as error:
        if error.reason != ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK:
            raise
        return None


def _by_version(specification: KeyWrappingSpecification, use: Use) -> KeyWrappingSpecification:
    """The specification with the version that wraps, as the wrapped key will name it: an alias may move on."""
    information = specification.encryption_key_information
    if information is None or information.unique_identifier == use.key.uid:
        return specification
    return replace(specification, encryption_key_information=replace(information, unique_identifier=use.key.uid))


async def unwrap(ctx: Context, block: KeyBlock, data: KeyWrappingData) -> KeyBlock:
    """The plain Key Block of a wrapped one that a client registers. Raises KmsError."""
    use = await _wrapping_key(ctx, data, Purpose.UNWRAP)
    return await ctx.crypto(
        use.provider, unwrap_key_block, block, use.provider, use.permit, ctx.version, algorithm=use.key.algorithm
    )


async def _wrapping_key(
    ctx: Context, specification: KeyWrappingSpecification | KeyWrappingData, purpose: Purpose
) -> Use:
    with refused():
        check_specification(specification)
    information = specification.encryption_key_information
    if information is None:
        raise KmsError(ResultReason.INVALID_FIELD, "the Encryption Key Information is missing")
    try:
        use = await permitted(ctx, information.unique_identifier, purpose, information.cryptographic_parameters)
    except KmsError as error:
        reason = _WRAPPING_REASONS.get(error.reason)
        if reason is None:
            raise
        raise KmsError(reason, f"wrapping key: {error.message}") from error
    if use.key.object_type not in USED_AS_KEYS:
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "the wrapping object is no key")
    return use


_WRAPPING_REASONS = {
    ResultReason.OBJECT_NOT_FOUND: ResultReason.WRAPPING_OBJECT_NOT_FOUND,
    ResultReason.OBJECT_DESTROYED: ResultReason.WRAPPING_OBJECT_DESTROYED,
    ResultReason.OBJECT_ARCHIVED: ResultReason.WRAPPING_OBJECT_ARCHIVED,
}
