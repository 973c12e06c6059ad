"""HSM tokens at the start. Imported where the configuration names one: PKCS#11 is 3 MiB that others do without."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from kmsd.config.settings import Hsm
from kmsd.crypto.errors import CryptoError
from kmsd.crypto.hsm import selftest
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.errors import ModuleError, PinRefusedError
from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.module import Module
from kmsd.crypto.hsm.objects import attribute_mapper
from kmsd.crypto.hsm.pool import SessionPool
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import HsmRoot, TenantKeyRing
from kmsd.crypto.provider import Provider
from kmsd.crypto.roots import KeyRoot
from kmsd.crypto.sealing import Sealer
from kmsd.domain.policy import Keeping
from kmsd.server.errors import PinError, StartError


class Token:
    """A token that the configuration names, logged in to and tested."""

    def __init__(self, ring: TenantKeyRing, hsm: Hsm, sealer: Sealer) -> None:
        self.ring = ring
        self._provider = HsmProvider(ring, sealer, {}, inline=hsm.inline == "auto")

    @property
    def provider(self) -> Provider:
        return self._provider

    def root(self, *, create: bool) -> KeyRoot:
        return HsmRoot(self.ring, create=create)

    def serve(self, keeping: Mapping[str, Keeping]) -> None:
        """The tenants that have HSM keys here, each with how they are kept."""
        self._provider.serve({tenant: TenantKeys(kept.value) for tenant, kept in keeping.items()})


def open_token(name: str, hsm: Hsm, sealer: Sealer, closing: ExitStack) -> Token:
    """Log in and look at what the token can do. Raises StartError, of which PinError is one."""
    pool = log_in(name, hsm, closing)
    return Token(TenantKeyRing(pool, try_out(name, hsm, pool)), hsm, sealer)


def try_out(name: str, hsm: Hsm, pool: SessionPool) -> Abilities:
    """What the token is really able to do: this decides what Query says and what is refused. Raises StartError."""
    try:
        return selftest.run(pool, {str(mechanism): number for mechanism, number in hsm.mechanisms.items()})
    except CryptoError as error:
        raise StartError(f"HSM {name}: {error}") from error


def log_in(name: str, hsm: Hsm, closing: ExitStack) -> SessionPool:
    """The sessions of a token; closed by `closing`. Raises StartError, of which PinError is one."""
    try:
        module = Module.load(str(hsm.module), environment=hsm.environment, parameters=hsm.module_options)
        pool = SessionPool(
            module, hsm.token, hsm.user_pin().text(), size=hsm.sessions, attribute_mapper=attribute_mapper()
        )
        closing.callback(pool.close)
        pool.start()
    except PinRefusedError as error:
        raise PinError(f"HSM {name}: {error}") from error
    except (ModuleError, CryptoError) as error:
        raise StartError(f"HSM {name}: {error}") from error
    return pool
