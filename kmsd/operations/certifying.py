"""What Certify, Re-certify and a declared authority share: the authority's key, and a certificate signed by it."""

from __future__ import annotations

from typing import NamedTuple

from kmsd.crypto import certification
from kmsd.crypto.asymmetric import algorithm_of
from kmsd.crypto.certification import Draft, Order
from kmsd.crypto.parameters import resolve
from kmsd.domain import lifecycle, usage
from kmsd.domain.errors import KmsError, invalid_field, wrong_state
from kmsd.domain.locate import LocateQuery, matches
from kmsd.domain.objects import ManagedObject
from kmsd.domain.policy import Authority, check_algorithm
from kmsd.domain.usage import Purpose
from kmsd.operations import addressing, shells
from kmsd.operations.context import LONG, Context, refused
from kmsd.operations.register import with_value
from kmsd.operations.using import export
from protocol.attributes import Attribute
from protocol.enums import (
    CertificateRequestType,
    CertificateType,
    CryptographicUsageMask,
    NameType,
    ObjectType,
    ResultReason,
    State,
)
from protocol.objects import Certificate
from protocol.operations.certify import CertifyRequest
from protocol.operations.re_certify import ReCertifyRequest
from protocol.structures import Name


class _Signer(NamedTuple):
    key: ManagedObject
    certificate: bytes
    """DER."""
    settings: Authority


def named(ctx: Context, name: str, object_type: ObjectType) -> ManagedObject | None:
    """The tenant's own object of this name, whoever the client is, as it is now."""
    value = Name(name_value=name, name_type=NameType.UNINTERPRETED_TEXT_STRING)
    query = LocateQuery(ctx.tenant.name, (Attribute("Name", value), Attribute("Object Type", object_type)))
    found = next((key for key in ctx.batch.pending.values() if matches(query, key)), None)
    if found is None:
        store = ctx.services.store
        found = next((store.get(ctx.tenant.name, uid) for uid in store.locate(query)), None)
    return lifecycle.advance(found, ctx.now) if found is not None else None


def settings_of(ctx: Context) -> Authority:
    """Raises KmsError Feature Not Supported where the tenant has no certificate authority."""
    settings = ctx.tenant.policy.certificate_authority
    if settings is None:
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "this tenant has no certificate authority")
    return settings


async def _signer(ctx: Context) -> _Signer:
    settings = settings_of(ctx)
    key = named(ctx, settings.private_key, ObjectType.PRIVATE_KEY)
    certificate = named(ctx, settings.certificate, ObjectType.CERTIFICATE)
    if key is None or certificate is None:
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "the key of this tenant's certificate authority is missing")
    return _Signer(key, await export(ctx, certificate), settings)


def certificate_request_of(request: CertifyRequest | ReCertifyRequest) -> bytes | None:
    """The Certificate Request of 1.x, the Certificate Request Value of 2.x."""
    value = request.certificate_request
    return value if value is not None else request.certificate_request_value


async def read_order(ctx: Context, kind: CertificateRequestType | None, value: bytes) -> Order:
    """What a certificate request asks for. Raises KmsError: Invalid CSR, Feature Not Supported, Permission Denied."""
    if kind is None:
        raise invalid_field("the Certificate Request Type is missing")
    try:
        order = await ctx.crypto(ctx.tenant.software, certification.read_request, kind, value, size=LONG)
    except KmsError as error:
        parsed = error.reason == ResultReason.INVALID_FIELD
        reason = ResultReason.INVALID_CSR if parsed else ResultReason.FEATURE_NOT_SUPPORTED
        raise KmsError(reason, error.message) from error
    check_algorithm(ctx.tenant.policy, algorithm_of(order.public_key), order.public_key.key_size)
    return order


async def registered_order(ctx: Context, request: ManagedObject) -> Order:
    """What a managed Certificate Request asks for. Raises KmsError as `read_order`."""
    wire = shells.restore(request)
    return await read_order(ctx, wire.certificate_request_type, await export(ctx, request))


async def check_public_key(ctx: Context, key: ManagedObject, order: Order | None) -> bytes:
    """The public key of an object that may be certified, DER; that of the order, where there is one.

    Raises KmsError: Object Destroyed, Wrong Key Lifecycle State, Invalid CSR (the order is for another key).
    """
    if key.state == State.COMPROMISED:
        raise wrong_state("the public key is compromised")
    material = await export(ctx, key)
    with refused():
        if order is not None and certification.for_key(material, order.subject).spki != order.spki:
            raise KmsError(ResultReason.INVALID_CSR, "the certificate request is for another key")
    return material


async def issue(ctx: Context, new: ManagedObject, order: Order) -> ManagedObject:
    """`new` with a certificate for `order`, signed by the tenant's authority.

    Valid from the Activation Date or now, until the Deactivation Date, if that is to come, or for as long as the
    authority says. Raises KmsError as `usage.permit`, for the authority's key.
    """
    signer = await _signer(ctx)
    start = new.attributes.get("Activation Date", ctx.now)
    end = new.attributes.get("Deactivation Date", 0)
    if end <= max(start, ctx.now):
        end = max(start, ctx.now) + signer.settings.validity
    draft = await ctx.crypto(
        ctx.tenant.software,
        certification.draft,
        order,
        signer.certificate,
        start,
        end,
        CryptographicUsageMask(new.usage_mask),
        size=LONG,
    )
    return await signed(ctx, new, signer.key, draft)


async def signed(ctx: Context, new: ManagedObject, key: ManagedObject, draft: Draft) -> ManagedObject:
    """`new` with the drafted certificate as its value, signed with the authority's key."""
    with refused():
        parameters = resolve(Purpose.CERTIFY, key.algorithm, draft.parameters, None)
    permit = addressing.permit(ctx, key, Purpose.CERTIFY, parameters)
    if "Usage Limits" in key.attributes:
        ctx.save(usage.charge(key, len(draft.tbs)))
    provider = ctx.provider(key.protection)
    signature = await ctx.crypto(provider, provider.sign, permit, draft.tbs, None, algorithm=key.algorithm)
    with refused():
        value = draft.signed(signature)
    new = new.set("Original Creation Date", new.attributes.get("Original Creation Date", ctx.now))
    wire = Certificate(certificate_type=CertificateType.X_509, certificate_value=value)
    return await with_value(ctx, shells.keep(new, wire), wire, None)
