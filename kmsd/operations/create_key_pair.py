"""Create Key Pair: KMIP 1.4 §4.2, 2.1 §6.1.9."""

from __future__ import annotations

from kmsd.crypto.keyformats import default_format
from kmsd.domain import making
from kmsd.domain.errors import KmsError
from kmsd.domain.policy import check_algorithm
from kmsd.operations.context import Context, reference
from kmsd.operations.new_objects import begin, check_quota, joined
from protocol.attributes import Attribute
from protocol.enums import LinkType, ObjectType, ResultReason
from protocol.operations.create_key_pair import CreateKeyPairRequest, CreateKeyPairResponse
from protocol.structures import CryptographicDomainParameters, Link


async def handle(ctx: Context, request: CreateKeyPairRequest) -> CreateKeyPairResponse:
    check_quota(ctx, 2)
    common = request.common_attributes
    private = begin(
        ctx,
        ObjectType.PRIVATE_KEY,
        joined(common, request.private_key_attributes),
        request.private_protection_storage_masks or request.common_protection_storage_masks,
    )
    public = begin(
        ctx,
        ObjectType.PUBLIC_KEY,
        joined(common, request.public_key_attributes),
        request.public_protection_storage_masks or request.common_protection_storage_masks,
    )
    algorithm = private.algorithm
    if algorithm is None or public.algorithm != algorithm:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "both keys need one and the same Cryptographic Algorithm")
    length, curve = making.domain_parameters(algorithm, private.attributes)
    if making.domain_parameters(algorithm, public.attributes) != (length, curve):
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the two keys are asked for with different lengths")
    check_algorithm(ctx.tenant.policy, algorithm, length, curve)
    if public.protection is not private.protection:
        raise KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, "both keys of a pair have one protection")
    pair = []
    for key in (public, private):
        key = making.generated(key, ctx.now).set("Cryptographic Length", length)  # noqa: PLW2901
        if curve is not None:
            key = key.set(  # noqa: PLW2901
                "Cryptographic Domain Parameters", CryptographicDomainParameters(recommended_curve=curve)
            )
        pair.append(key)
    public, private = pair
    provider = ctx.provider(private.protection)
    made_public, made_private = await ctx.crypto(
        provider,
        provider.generate_pair,
        reference(public),
        reference(private),
        curve,
        algorithm=algorithm,
        size=LONG,
    )
    public, private = (
        making.with_material(key, made.material, made.length, made.digest, default_format(key.object_type, algorithm))
        for key, made in ((public, made_public), (private, made_private))
    )
    public = public.with_attributes(public.attributes.add(_link(LinkType.PRIVATE_KEY_LINK, private.uid)))
    private = private.with_attributes(private.attributes.add(_link(LinkType.PUBLIC_KEY_LINK, public.uid)))
    ctx.forget_on_rollback(provider, reference(private), private)
    ctx.save(public, private)
    # KMIP 1.4 §4.2: "The ID Placeholder value SHALL be set to the Unique Identifier of the Private Key."
    ctx.give(private.uid, public.uid, placeholder=private.uid)
    return CreateKeyPairResponse(private_key_unique_identifier=private.uid, public_key_unique_identifier=public.uid)


LONG = 1 << 30
"""Making a pair is never short: says so to `is_short` by a size that is not."""


def _link(link_type: LinkType, uid: str) -> Attribute:
    return Attribute("Link", Link(link_type=link_type, linked_object_identifier=uid))
