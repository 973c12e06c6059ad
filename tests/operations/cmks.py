"""CMKs for tests, put into the store as Create CMK would leave them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from kmsd.domain.cmk import Cmk, Origin, as_version, from_object, to_object
from kmsd.domain.key_specs import KEY_SPECS, pair_masks, symmetric_mask
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.storage.work import UnitOfWork
from protocol.attributes import Attribute, Template
from protocol.enums import BlockCipherMode, ObjectType, ProtectionStorageMask
from protocol.operations.create import CreateRequest
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.structures import CryptographicDomainParameters, CryptographicParameters, ProtectionStorageMasks
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server

ECB = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)

MASKS = {
    ProtectionLevel.SOFTWARE: ProtectionStorageMask.SOFTWARE,
    ProtectionLevel.HSM: ProtectionStorageMask.HARDWARE,
}


def allow(server: Server, *specs: str, tenant: str = "acme") -> None:
    """Let the tenant have keys of these specifications beside those of the defaults."""
    changed = server.services.tenants[tenant]
    algorithms = {**changed.policy.algorithms, **{KEY_SPECS[spec].algorithm: None for spec in specs}}
    curves = {
        name: found for name, found in changed.policy.curves.items() if name not in algorithms or algorithms[name]
    }
    policy = replace(changed.policy, algorithms=algorithms, curves=curves)
    server.services.tenants[tenant] = replace(changed, policy=policy)  # type: ignore[index]


async def make_cmk(app: Caller, spec: str = "AES_256", usage: str | None = None, **changes: Any) -> Cmk:
    """A CMK of this specification, Enabled, with one version."""
    server = app.server
    kind = KEY_SPECS[spec]
    protection = changes.pop("protection", ProtectionLevel.SOFTWARE)
    cmk = Cmk(
        uid="key-" + uuid.uuid4().hex,
        tenant=app.tenant,
        creator=app.name,
        spec=kind,
        usage=kind.usage(usage),
        origin=changes.pop("origin", Origin.KMSD),
        protection=protection,
        created=int(server.now),
        **changes,
    )
    if cmk.origin is Origin.KMSD:
        cmk = replace(cmk, primary=await add_version(app, cmk), versions=1, has_material=True)
    work = UnitOfWork()
    work.insert(to_object(cmk))
    await server.store.commit(work)
    return cmk


async def add_version(app: Caller, cmk: Cmk) -> str:
    """Another version; of a pair the private key's identifier."""
    masks = ProtectionStorageMasks(masks=(MASKS[cmk.protection],))
    active = Attribute("Activation Date", int(app.server.now))
    common = [Attribute("Cryptographic Algorithm", cmk.spec.algorithm), active]
    if cmk.spec.curve is None:
        common.append(Attribute("Cryptographic Length", cmk.spec.length))
    else:
        parameters = CryptographicDomainParameters(recommended_curve=cmk.spec.curve)
        common.append(Attribute("Cryptographic Domain Parameters", parameters))
    caller = app.at(V2_1)
    if cmk.spec.pair:
        public, private = pair_masks(cmk.usage)
        made = await caller.call(
            CreateKeyPairRequest(
                common_attributes=Template(tuple(common)),
                private_key_attributes=Template((Attribute("Cryptographic Usage Mask", private),)),
                public_key_attributes=Template((Attribute("Cryptographic Usage Mask", public),)),
                common_protection_storage_masks=masks,
            )
        )
        uids: list[str] = [made.private_key_unique_identifier, made.public_key_unique_identifier]
    else:
        mask = Attribute("Cryptographic Usage Mask", symmetric_mask(cmk.usage))
        request = CreateRequest(
            object_type=ObjectType.SYMMETRIC_KEY,
            attributes=Template((*common, mask)),
            protection_storage_masks=masks,
        )
        uids = [(await caller.call(request)).unique_identifier]
    work = UnitOfWork()
    for uid in uids:
        work.update(as_version(stored(app.server, uid, app.tenant), cmk.uid, cmk.versions + 1))
    await app.server.store.commit(work)
    return uids[0]


async def rotate(app: Caller, cmk: Cmk) -> Cmk:
    cmk = read(app.server, cmk)
    return await change(app.server, replace(cmk, primary=await add_version(app, cmk), versions=cmk.versions + 1))


async def change(server: Server, cmk: Cmk) -> Cmk:
    """Store the record as it is given."""
    await update(server, to_object(cmk))
    return read(server, cmk)


async def update(server: Server, key: ManagedObject) -> None:
    work = UnitOfWork()
    work.update(key)
    await server.store.commit(work)


def read(server: Server, cmk: Cmk) -> Cmk:
    return from_object(stored(server, cmk.uid, cmk.tenant))


def stored(server: Server, uid: str, tenant: str = "acme") -> ManagedObject:
    found = server.store.get(tenant, uid)
    assert found is not None
    return found


__all__ = ["ECB", "allow", "change", "make_cmk", "read", "rotate", "stored", "update"]
