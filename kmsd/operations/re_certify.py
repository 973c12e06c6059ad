"""Re-certify: KMIP 1.4 §4.8, 2.1 §6.1.45: a new certificate takes the place of one for the same key."""

from __future__ import annotations

from kmsd.crypto import certification
from kmsd.crypto.certification import Order
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.certifying import certificate_request_of, issue, read_order, registered_order, settings_of
from kmsd.operations.context import Context, refused
from kmsd.operations.new_objects import check_quota
from kmsd.operations.replacing import begin_replacement
from kmsd.operations.using import export
from protocol.enums import CertificateType, LinkType, ObjectType, ResultReason
from protocol.operations.re_certify import ReCertifyRequest, ReCertifyResponse


async def handle(ctx: Context, request: ReCertifyRequest) -> ReCertifyResponse:
    settings_of(ctx)
    old = ctx.load(request.unique_identifier)
    rekey.check_type(old, ObjectType.CERTIFICATE)
    check_quota(ctx, 1)
    new = begin_replacement(ctx, old, request.attributes, None, request.offset, ProtectionLevel.SOFTWARE)
    if new.attributes.get("Certificate Type", CertificateType.X_509) != CertificateType.X_509:
        raise invalid_field("certificates of this type are not given out")
    with refused():
        order = certification.renew(await export(ctx, old))
    wanted = await _wanted(ctx, request)
    if wanted is not None:
        if wanted.spki != order.spki:
            raise KmsError(ResultReason.INVALID_CSR, "the certificate request is for another key")
        order = wanted
    public = rekey.linked(old, LinkType.PUBLIC_KEY_LINK)
    if public is not None:
        new = rekey.link(new, LinkType.PUBLIC_KEY_LINK, public)
        ctx.save(rekey.relink(ctx.load(public), LinkType.CERTIFICATE_LINK, old.uid, new.uid))
    new = await issue(ctx, new, order)
    ctx.save(*rekey.take_over(old, new, ctx.now))
    ctx.give(new.uid)
    return ReCertifyResponse(unique_identifier=new.uid)


async def _wanted(ctx: Context, request: ReCertifyRequest) -> Order | None:
    """What the certificate request asks for, given or by its identifier, where there is one."""
    value, uid = certificate_request_of(request), request.certificate_request_unique_identifier
    if value is not None and uid is not None:
        raise invalid_field("two certificate requests are given")
    if value is not None:
        return await read_order(ctx, request.certificate_request_type, value)
    if uid is None:
        return None
    managed = ctx.load(uid)
    rekey.check_type(managed, ObjectType.CERTIFICATE_REQUEST)
    return await registered_order(ctx, managed)
