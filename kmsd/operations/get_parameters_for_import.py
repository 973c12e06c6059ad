"""Get Parameters For Import: a public key to wrap material under, and the token that goes with it, for 24 hours."""

from __future__ import annotations

from kmsd.domain import import_tokens
from kmsd.domain.cmk import Cmk, Origin
from kmsd.domain.errors import KmsError, permission_denied, unsupported
from kmsd.domain.import_tokens import ImportToken
from kmsd.domain.key_states import Call
from kmsd.domain.locate import LocateQuery
from kmsd.domain.policy import check_algorithm
from kmsd.operations import key_material
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from kmsd.operations.destroy import destroy_material
from kmsd.operations.key_versions import version
from kmsd.operations.new_objects import check_quota
from protocol.enums import ResultReason
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest, GetParametersForImportResponse


async def handle(ctx: Context, request: GetParametersForImportRequest) -> GetParametersForImportResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.GET_PARAMETERS_FOR_IMPORT)
    if cmk.origin is not Origin.EXTERNAL:
        raise unsupported("the material of this key is made here")
    check_algorithm(ctx.tenant.policy, cmk.spec.algorithm, cmk.spec.length, cmk.spec.curve)
    transport, spec = import_tokens.for_import(cmk, request.wrapping_algorithm, request.wrapping_key_spec)
    if transport.by_option and not ctx.tenant.policy.keys.pkcs1_import:
        raise permission_denied(f"the tenant does not allow {transport.name}")
    await _make_room(ctx, cmk)
    check_quota(ctx, 1)
    token = ImportToken(cmk.uid, transport, spec, ctx.now + import_tokens.TOKEN_LIFETIME)
    spki, wrapping = await key_material.make_wrapping_pair(ctx, cmk, token)
    ctx.save(wrapping)
    return GetParametersForImportResponse(
        unique_identifier=cmk.uid,
        wrapping_public_key=spki,
        import_token=wrapping.uid,
        token_expire_time=token.expires,
    )


async def _make_room(ctx: Context, cmk: Cmk) -> None:
    """Destroy what has expired. Raises KmsError Server Limit Exceeded where too many imports are under way."""
    query = LocateQuery(ctx.tenant.name, (import_tokens.for_cmk(cmk.uid),))
    open_ = 0
    for uid in ctx.services.store.locate(query):
        wrapping = version(ctx, uid)
        if wrapping.material is None:
            continue
        if import_tokens.is_expired(wrapping, ctx.now):
            await destroy_material(ctx, wrapping)
            ctx.save(import_tokens.used(wrapping, ctx.now))
        else:
            open_ += 1
    if open_ >= import_tokens.MAXIMUM_TOKENS:
        raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, "too many imports into this key have been begun")
