"""Tenants at run time: roots, data keys and providers, out of the configuration and the store.

All of this blocks and comes before the first request. A root or a token that is not the one the store was made with
is a refused start, never a new key beside the old ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from kmsd.config.settings import Settings
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.crypto import sm2
from kmsd.crypto.errors import CryptoError
from kmsd.crypto.provider import Provider
from kmsd.crypto.roots import KeyRoot, SoftwareRoot
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.locate import LocateQuery
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.services import Tenant
from kmsd.server.errors import StartError
from kmsd.storage.store import Store, TenantRow
from protocol.attributes import Attribute
from protocol.enums import CryptographicAlgorithm, StorageStatusMask
from protocol.enums import ProtectionLevel as WireProtectionLevel

if TYPE_CHECKING:
    from kmsd.server.tokens import Token

__all__ = ["StartError", "open_tenants"]

log = structlog.get_logger("kmsd.providers")

SOFTWARE_ROOT = "software"
"""The name of the root that is no HSM, in the configuration and in the store."""

_KEPT = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE


def open_tenants(settings: Settings, store: Store, closing: ExitStack) -> Mapping[str, Tenant]:
    """Every tenant with its providers; what was opened is closed by `closing`. Raises StartError."""
    tokens = _open_tokens(settings, closing)
    sealer = Sealer()
    for name, tenant in settings.tenants.items():
        try:
            sealer.add_tenant(name, _data_key(settings, store, tokens, name, tenant))
            if tenant.hsm_name is not None:
                _prepare_token(store, tokens[tenant.hsm_name], name)
        except CryptoError as error:
            raise StartError(f"tenant {name}: {error}") from error
    software = SoftwareProvider(sealer)
    _report_sm2(settings)
    on_tokens = {
        name: token.provider(
            sealer, {t: tenant.keeping for t, tenant in settings.tenants.items() if tenant.hsm_name == name}
        )
        for name, token in tokens.items()
    }
    return {
        name: Tenant(name, tenant.policy, software, _providers(tenant, software, on_tokens))
        for name, tenant in settings.tenants.items()
    }


def _report_sm2(settings: Settings) -> None:
    """Say whether SM2 works here, to who lets his tenants use it."""
    if not any(CryptographicAlgorithm.SM2 in tenant.algorithms for tenant in settings.tenants.values()):
        return
    support = sm2.support()
    if support.refusal is not None:
        log.warning("SM2 keys are refused", reason=support.refusal)
        return
    log.info("SM2 tested", library=support.library)
    if support.warning is not None:
        log.warning("SM2 keys are at risk", reason=support.warning, library=support.library)


def _providers(
    tenant: TenantSettings, software: Provider, on_tokens: Mapping[str, Provider]
) -> dict[ProtectionLevel, Provider]:
    providers = {ProtectionLevel.SOFTWARE: software}
    if tenant.hsm_name is not None:
        providers[ProtectionLevel.HSM] = on_tokens[tenant.hsm_name]
    return providers


def _open_tokens(settings: Settings, closing: ExitStack) -> dict[str, Token]:
    if not settings.hsms:
        return {}
    from kmsd.server.tokens import open_token  # noqa: PLC0415 (PKCS#11, for who has an HSM)

    return {name: open_token(name, hsm, closing) for name, hsm in settings.hsms.items()}


def _data_key(
    settings: Settings, store: Store, tokens: Mapping[str, Token], name: str, tenant: TenantSettings
) -> bytes:
    """The tenant's data key, opened under its root; a tenant that the store does not know gets one."""
    row = store.load_tenant(name)
    if row is not None and row.root != tenant.root:
        raise StartError(f"tenant {name}: its data key is under the root {row.root!r}, not {tenant.root!r}")
    root = _root(settings, tokens, tenant, create=row is None)
    if row is None:
        row = store.save_tenant(TenantRow(name, tenant.root, root.wrap_data_key(name, new_data_key())))
        log.info("tenant made", tenant=name, root=tenant.root)
    return root.unwrap_data_key(name, row.wrapped_key)


def _root(settings: Settings, tokens: Mapping[str, Token], tenant: TenantSettings, *, create: bool) -> KeyRoot:
    if tenant.root != SOFTWARE_ROOT:
        return tokens[tenant.root].root(create=create)
    root_key = settings.software_root_key()
    if root_key is None:
        raise StartError("a tenant has the root `software`, and no software_root is configured")
    return SoftwareRoot(root_key.reveal())


def _prepare_token(store: Store, token: Token, tenant: str) -> None:
    """The tenant's key-encryption key on its token. Only where no HSM key of the tenant is kept may it be made: a new
    one opens nothing that the old one wrapped."""
    in_hsm = Attribute("Protection Level", WireProtectionLevel.HIGH)
    kept = store.count(LocateQuery(tenant, (in_hsm,), storage_status_mask=_KEPT))
    token.ring.prepare(tenant, create=kept == 0)
