"""Import Key Material: a CMK's material for the first time, or the same again."""

from __future__ import annotations

from kmsd.domain import import_tokens, key_changes, rekey
from kmsd.domain.cmk import Cmk
from kmsd.domain.key_states import Call
from kmsd.domain.objects import ManagedObject
from kmsd.domain.policy import check_algorithm
from kmsd.operations import key_material
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from kmsd.operations.destroy import destroy_material
from kmsd.operations.key_versions import parts, public_half, unmade, version
from kmsd.operations.new_objects import check_quota
from protocol.enums import LinkType
from protocol.operations.import_key_material import ImportKeyMaterialRequest, ImportKeyMaterialResponse


async def handle(ctx: Context, request: ImportKeyMaterialRequest) -> ImportKeyMaterialResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.IMPORT_KEY_MATERIAL)
    expires = request.material_expire_time or None
    # Before the token is spent: whether the CMK takes material, and for how long.
    key_changes.imported(cmk, "", b"", expires, ctx.now)
    check_algorithm(ctx.tenant.policy, cmk.spec.algorithm, cmk.spec.length, cmk.spec.curve)
    token_uid = request.import_token
    stored = ctx.unsaved(token_uid) or ctx.services.store.get(ctx.tenant.name, token_uid)
    token = import_tokens.token_of(stored, cmk.uid, ctx.now)
    wrapping = version(ctx, token_uid)
    key, *public = _target(ctx, cmk)
    brought = await key_material.opened(ctx, cmk, key, wrapping, token, request.encrypted_key_material)
    # Where the same material is there already, only the expiry is new.
    if key.material is None:
        key = await key_material.stored(ctx, key, brought)
        ctx.save(*[await key_material.stored_public(ctx, half, brought) for half in public])
    cmk = key_changes.imported(cmk, key.uid, brought.digest, expires, ctx.now)
    ctx.save(key, import_tokens.used(wrapping, ctx.now))
    await destroy_material(ctx, wrapping)
    save_cmk(ctx, cmk)
    return ImportKeyMaterialResponse(unique_identifier=key.uid, cmk_identifier=cmk.uid)


def _target(ctx: Context, cmk: Cmk) -> list[ManagedObject]:
    """The one version; of a pair the private key and the public one."""
    if cmk.primary is not None:
        key = version(ctx, cmk.primary)
        return [key, public_half(ctx, cmk, key)] if cmk.spec.pair else [key]
    check_quota(ctx, 2 if cmk.spec.pair else 1)
    key, *halves = (unmade(ctx, cmk, kind, mask) for kind, mask in parts(cmk))
    # It was somewhere else before.
    key = key.set_all({"Always Sensitive": False, "Never Extractable": False})
    if not halves:
        return [key]
    half = rekey.link(halves[0], LinkType.PRIVATE_KEY_LINK, key.uid)
    return [rekey.link(key, LinkType.PUBLIC_KEY_LINK, half.uid), half]
