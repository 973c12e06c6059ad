"""Import Key Material: a CMK's material for the first time, or the same again."""

from __future__ import annotations

from dataclasses import replace

from kmsd.domain import import_tokens, key_changes, rekey
from kmsd.domain.cmk import Cmk
from kmsd.domain.key_states import Call
from kmsd.domain.objects import ManagedObject
from kmsd.operations import key_material
from kmsd.operations.addressing import load_cmk, save_cmk
from kmsd.operations.context import Context
from kmsd.operations.destroy import destroy_material
from kmsd.operations.key_material import Brought
from kmsd.operations.key_versions import parts, unmade, version
from kmsd.operations.new_objects import check_quota
from protocol.enums import KeyFormatType, LinkType
from protocol.operations.import_key_material import ImportKeyMaterialRequest, ImportKeyMaterialResponse


async def handle(ctx: Context, request: ImportKeyMaterialRequest) -> ImportKeyMaterialResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.IMPORT_KEY_MATERIAL)
    expires = request.material_expire_time or None
    # Before the token is spent: whether the CMK takes material, and for how long.
    key_changes.imported(cmk, "", b"", expires, ctx.now)
    token_uid = request.import_token
    stored = ctx.unsaved(token_uid) or ctx.services.store.get(ctx.tenant.name, token_uid)
    token = import_tokens.token_of(stored, cmk.uid, ctx.now)
    wrapping = version(ctx, token_uid)
    brought = await key_material.opened(ctx, cmk, wrapping, token, request.encrypted_key_material)
    key = await _version(ctx, cmk, brought)
    cmk = key_changes.imported(cmk, key.uid, brought.digest, expires, ctx.now)
    ctx.save(key, import_tokens.used(wrapping, ctx.now))
    await destroy_material(ctx, wrapping)
    save_cmk(ctx, cmk)
    return ImportKeyMaterialResponse(unique_identifier=key.uid, cmk_identifier=cmk.uid)


async def _version(ctx: Context, cmk: Cmk, brought: Brought) -> ManagedObject:
    """The one version, with its material; its public half is kept for the commit."""
    if cmk.primary is None:
        return await _first(ctx, cmk, brought)
    key = version(ctx, cmk.primary)
    if key.material is not None:
        # The same material is there already: only the expiry is new.
        return key
    public = rekey.linked(key, LinkType.PUBLIC_KEY_LINK)
    if public is not None:
        await _keep_public(ctx, version(ctx, public), brought)
    return await key_material.stored(ctx, key, brought.parsed)


async def _first(ctx: Context, cmk: Cmk, brought: Brought) -> ManagedObject:
    check_quota(ctx, 2 if cmk.spec.pair else 1)
    made = [unmade(ctx, cmk, kind, mask) for kind, mask in parts(cmk)]
    key = await key_material.stored(ctx, made[0], brought.parsed)
    # It was somewhere else before.
    key = key.set_all({"Always Sensitive": False, "Never Extractable": False})
    if len(made) == 1:
        return key
    public = rekey.link(made[1], LinkType.PRIVATE_KEY_LINK, key.uid)
    await _keep_public(ctx, public, brought)
    return rekey.link(key, LinkType.PUBLIC_KEY_LINK, public.uid)


async def _keep_public(ctx: Context, public: ManagedObject, brought: Brought) -> None:
    if brought.spki is None:
        raise TypeError("a pair without its public half")
    parsed = replace(brought.parsed, material=brought.spki, format=KeyFormatType.X_509)
    ctx.save(await key_material.stored(ctx, public, parsed))
