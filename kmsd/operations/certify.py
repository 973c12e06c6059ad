"""Certify: KMIP 1.4 §4.7, 2.1 §6.1.6: a certificate for a public key, by the tenant's certificate authority."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kmsd.crypto import certification
from kmsd.crypto.certification import Order
from kmsd.domain import rekey
from kmsd.domain.errors import invalid_field
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.operations.certifying import (
    certificate_request_of,
    check_public_key,
    issue,
    read_order,
    registered_order,
    settings_of,
)
from kmsd.operations.context import Context, refused
from kmsd.operations.new_objects import begin, check_quota
from protocol.attributes import Attribute, Template
from protocol.enums import CertificateType, LinkType, ObjectType
from protocol.operations.certify import CertifyRequest, CertifyResponse
from protocol.versions import V2_0


async def handle(ctx: Context, request: CertifyRequest) -> CertifyResponse:
    settings_of(ctx)
    check_quota(ctx, 1)
    template, subject = _divided(request.attributes or Template())
    new = begin(ctx, ObjectType.CERTIFICATE, template, request.protection_storage_masks, ProtectionLevel.SOFTWARE)
    if new.attributes.get("Certificate Type", CertificateType.X_509) != CertificateType.X_509:
        raise invalid_field("certificates of this type are not given out")
    public, order = await _wanted(ctx, request, subject)
    if public is not None:
        new = rekey.link(new, LinkType.PUBLIC_KEY_LINK, public.uid)
        ctx.save(rekey.link(public, LinkType.CERTIFICATE_LINK, new.uid))
    ctx.save(await issue(ctx, new, order))
    ctx.give(new.uid)
    return CertifyResponse(unique_identifier=new.uid)


def _divided(template: Template) -> tuple[Template, list[Attribute]]:
    """The attributes of the certificate object, and those that name the subject, which it takes from its value."""
    subject = [a for a in template.attributes if a.name in certification.SUBJECT_ATTRIBUTES]
    rest = tuple(a for a in template.attributes if a.name not in certification.SUBJECT_ATTRIBUTES)
    return replace(template, attributes=rest), subject


async def _wanted(
    ctx: Context, request: CertifyRequest, subject: Iterable[Attribute]
) -> tuple[ManagedObject | None, Order]:
    """The public key, where there is one, and what is to be certified of it."""
    value = certificate_request_of(request)
    order = await read_order(ctx, request.certificate_request_type, value) if value is not None else None
    # KMIP 2.1 §6.1.6: it is the ID Placeholder only "if omitted and Certificate Request is not present".
    if order is not None and request.unique_identifier is None and ctx.version >= V2_0:
        return None, order
    public = ctx.load(request.unique_identifier)
    if public.object_type == ObjectType.CERTIFICATE_REQUEST:
        if order is not None:
            raise invalid_field("two certificate requests are given")
        return None, await registered_order(ctx, public)
    rekey.check_type(public, ObjectType.PUBLIC_KEY)
    material = await check_public_key(ctx, public, order)
    if order is None:
        with refused():
            name = certification.subject_of(subject, public.names[0] if public.names else public.uid)
            order = certification.for_key(material, name)
    return public, order
