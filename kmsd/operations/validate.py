"""Validate: KMIP 1.4 §4.24, 2.1 §6.1.57: a certificate chain, against what the tenant trusts."""

from __future__ import annotations

from kmsd.crypto import chains
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject
from kmsd.operations.certifying import named
from kmsd.operations.context import LONG, Context
from kmsd.operations.using import export
from protocol.enums import CertificateType, ObjectType, ResultReason, State, ValidityIndicator
from protocol.operations.validate import ValidateRequest, ValidateResponse

_REVOKED = frozenset({State.DEACTIVATED, State.COMPROMISED, State.DESTROYED, State.DESTROYED_COMPROMISED})


async def handle(ctx: Context, request: ValidateRequest) -> ValidateResponse:
    if not request.certificates and not request.unique_identifiers:
        raise KmsError(ResultReason.INVALID_MESSAGE, "there is no certificate to validate")
    if any(certificate.certificate_type != CertificateType.X_509 for certificate in request.certificates):
        raise invalid_field("only X.509 certificates are validated")
    values = [certificate.certificate_value for certificate in request.certificates]
    keys = [ctx.load(uid) for uid in request.unique_identifiers]
    for key in keys:
        rekey.check_type(key, ObjectType.CERTIFICATE)
    if any(key.state in _REVOKED for key in keys):
        return ValidateResponse(validity_indicator=ValidityIndicator.INVALID)
    values += [await export(ctx, key) for key in keys]
    anchors = [await export(ctx, anchor) for anchor in _anchors(ctx)]
    at = request.validity_date if request.validity_date is not None else ctx.now
    try:
        verdict = await ctx.crypto(ctx.tenant.software, chains.judge, values, anchors, at, size=LONG)
    except KmsError as error:
        if error.reason != ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS:
            raise
        # KMIP 1.4 §11.25: what "does not specify a certificate list".
        raise KmsError(ResultReason.INVALID_MESSAGE, error.message) from error
    return ValidateResponse(validity_indicator=verdict)


def _anchors(ctx: Context) -> list[ManagedObject]:
    """The tenant's trust anchors that are there and not revoked: its own authority's certificate, and those named."""
    policy = ctx.tenant.policy
    names = list(policy.trust_anchors)
    if policy.certificate_authority is not None:
        names.append(policy.certificate_authority.certificate)
    found = [named(ctx, name, ObjectType.CERTIFICATE) for name in names]
    return [anchor for anchor in found if anchor is not None and anchor.state not in _REVOKED]
