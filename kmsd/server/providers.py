"""Tenants at run time: roots, data keys and providers, out of the configuration and the store.

All of this blocks, and comes before the first request of a tenant. A root or a token that is not the one the store was
made with is a refused start, never a new key beside the old ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from kmsd.config.settings import Settings
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.crypto import sm2
from kmsd.crypto.errors import CryptoError, UnsupportedError
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

__all__ = ["StartError", "Tenancies"]

log = structlog.get_logger("kmsd.providers")

SOFTWARE_ROOT = "software"
"""The name of the root that is no HSM, in the configuration and in the store."""

_KEPT = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE


class Tenancies:
    """What tenants stand on while the daemon runs: the tokens, opened at start, and the data keys of those served."""

    def __init__(self, settings: Settings, store: Store, closing: ExitStack) -> None:
        """Open the tokens; `closing` closes what was opened. Raises StartError."""
        self._store = store
        self._sealer = Sealer()
        self._software = SoftwareProvider(self._sealer)
        self._tokens = _open_tokens(settings, self._sealer, closing)
        self._ready: set[str] = set()
        """Those whose data key and token are looked at."""

    def prepare(self, settings: Settings) -> Mapping[str, Tenant]:
        """The tenants of a configuration, with the providers of each; a tenant that the store does not know gets a
        data key. Nothing changes for those that are served.

        Raises StartError. Blocks; may be called in a thread.
        """
        for name, tenant in settings.tenants.items():
            if name in self._ready:
                continue
            try:
                self._sealer.add_tenant(name, _data_key(settings, self._store, self._tokens, name, tenant))
                if tenant.hsm_name is not None:
                    _prepare_token(self._store, self._tokens[tenant.hsm_name], name)
            except CryptoError as error:
                raise StartError(f"tenant {name}: {error}", ("tenants", name)) from error
            self._ready.add(name)
        _report_sm2(settings)
        return {
            name: Tenant(name, tenant.policy, self._software, self._providers(tenant))
            for name, tenant in settings.tenants.items()
        }

    def serve(self, settings: Settings, besides: Settings | None = None) -> None:
        """Let the tokens keep keys as the configuration says, once its tenants are prepared; and for the tenants that
        only the other one has, which is coming or going."""
        tenants = {**(besides.tenants if besides is not None else {}), **settings.tenants}
        for name, token in self._tokens.items():
            token.serve({t: tenant.keeping for t, tenant in tenants.items() if tenant.hsm_name == name})

    def forget(self, tenant: str) -> None:
        """Its data key leaves the memory; what is sealed under it stays in the store."""
        self._sealer.forget_tenant(tenant)
        self._ready.discard(tenant)

    def _providers(self, tenant: TenantSettings) -> dict[ProtectionLevel, Provider]:
        providers: dict[ProtectionLevel, Provider] = {ProtectionLevel.SOFTWARE: self._software}
        if tenant.hsm_name is not None:
            providers[ProtectionLevel.HSM] = self._tokens[tenant.hsm_name].provider
        return providers


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


def _open_tokens(settings: Settings, sealer: Sealer, closing: ExitStack) -> dict[str, Token]:
    if not settings.hsms:
        return {}
    from kmsd.server.tokens import open_token  # noqa: PLC0415 (PKCS#11, for who has an HSM)

    return {name: open_token(name, hsm, sealer, closing) for name, hsm in settings.hsms.items()}


def _data_key(
    settings: Settings, store: Store, tokens: Mapping[str, Token], name: str, tenant: TenantSettings
) -> bytes:
    """The tenant's data key, opened under its root; a tenant that the store does not know gets one."""
    row = store.load_tenant(name)
    if row is not None and row.root != tenant.root:
        what = f"its data key is under the root {row.root!r}, not {tenant.root!r}"
        raise StartError(f"tenant {name}: {what}", ("tenants", name))
    root = _root(settings, tokens, tenant, create=row is None)
    if row is None:
        try:
            wrapped = root.wrap_data_key(name, new_data_key())
        except UnsupportedError as error:
            what = f"HSM {tenant.root} cannot be its root: {error}"
            raise StartError(f"tenant {name}: {what}", ("tenants", name, "root")) from error
        row = store.save_tenant(TenantRow(name, tenant.root, wrapped))
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
