"""Tokens for tests: SoftHSM and NSS softokn, each made once per process in its own directory.

A PKCS#11 module is loaded once per process and reads its settings then, so a token serves all tests of the process;
what needs a module in another state runs in a subprocess (see run_script).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import which

import pytest
from pkcs11 import Attribute
from pkcs11.types import Session

from kmsd.crypto.hsm.keeping import TenantKeys
from kmsd.crypto.hsm.module import Module
from kmsd.crypto.hsm.objects import attribute_mapper, find
from kmsd.crypto.hsm.pool import SessionPool
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.crypto.hsm.root import TenantKeyRing
from kmsd.crypto.hsm.selftest import run as selftest
from kmsd.crypto.sealing import Sealer, new_data_key

PIN = "123456"
SO_PIN = "12345678"
TENANTS = ("acme", "bank")
ROOT = Path(__file__).resolve().parents[2]

_SOFTHSM = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
_SOFTOKN = ("/usr/lib/x86_64-linux-gnu/libsoftokn3.so", "/usr/lib/aarch64-linux-gnu/libsoftokn3.so")

HSM_PROVIDERS = ("softhsm", "softhsm-resident", "nss")
"""Parameters of the provider fixture: a token, and how keys are kept on it."""


@dataclass(frozen=True)
class TokenSettings:
    """What it takes to reach a token; text only, so that a subprocess can be told."""

    module: str
    label: str
    environment: dict[str, str]
    parameters: str | None = None

    def load(self) -> Module:
        return Module.load(self.module, environment=self.environment, parameters=self.parameters)

    def pool(self, pin: str = PIN, **options: object) -> SessionPool:
        """A pool that is not started."""
        return SessionPool(self.load(), self.label, pin, attribute_mapper=attribute_mapper(), **options)  # type: ignore[arg-type]


def first_file(paths: tuple[str, ...]) -> str | None:
    return next((path for path in paths if Path(path).is_file()), None)


def make_softhsm(directory: Path, label: str = "kmsd-test") -> TokenSettings:
    """A fresh SoftHSM token with a configuration of its own; skips where SoftHSM is not installed."""
    module = first_file(_SOFTHSM)
    if module is None or which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (softhsm2)")
    tokens = directory / "tokens"
    tokens.mkdir(parents=True)
    configuration = directory / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
    )
    environment = {"SOFTHSM2_CONF": str(configuration)}
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN],
        env=environment,
        check=True,
        capture_output=True,
    )
    return TokenSettings(module, label, environment)


def make_nss(directory: Path) -> TokenSettings:
    """A fresh NSS database; skips where NSS softokn or certutil is not installed."""
    module = first_file(_SOFTOKN)
    if module is None or which("certutil") is None:
        pytest.skip("NSS softokn is not installed (libnss3, libnss3-tools)")
    database = directory / "nss"
    database.mkdir(parents=True)
    password = directory / "password"
    password.write_text(PIN + "\n")
    subprocess.run(["certutil", "-N", "-d", f"sql:{database}", "-f", str(password)], check=True, capture_output=True)
    parameters = f"configdir='sql:{database}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= "
    return TokenSettings(module, "NSS Certificate DB", {}, parameters)


_MAKERS = {"softhsm": make_softhsm, "nss": make_nss}
_settings: dict[str, TokenSettings] = {}
_rings: dict[str, TenantKeyRing] = {}


def token_settings(kind: str, factory: pytest.TempPathFactory) -> TokenSettings:
    """This process's token of the kind, "softhsm" or "nss"."""
    if kind not in _settings:
        _settings[kind] = _MAKERS[kind](factory.mktemp(kind))
    return _settings[kind]


def token_ring(kind: str, factory: pytest.TempPathFactory) -> TenantKeyRing:
    """This process's login to the token, self-tested, with the tenants' keys made."""
    if kind not in _rings:
        pool = token_settings(kind, factory).pool()
        pool.start()
        ring = TenantKeyRing(pool, selftest(pool))
        for tenant in TENANTS:
            ring.prepare(tenant, create=True)
        _rings[kind] = ring
    return _rings[kind]


@contextmanager
def hsm_provider(name: str, factory: pytest.TempPathFactory) -> Iterator[HsmProvider]:
    """A provider by its name in HSM_PROVIDERS, on this process's token."""
    kind, _, keeping = name.partition("-")
    ring = token_ring(kind, factory)
    keys = TenantKeys("resident" if keeping == "resident" else "wrapped")
    sealer = Sealer({tenant: new_data_key() for tenant in TENANTS})
    try:
        yield HsmProvider(ring, sealer, dict.fromkeys(TENANTS, keys))
    finally:
        if keys.keeping == "resident":
            # Tests take the same identifiers again and again, which a server never does.
            ring.pool.run(lambda lease: lease.create(_remove_resident_keys))


def _remove_resident_keys(session: Session) -> None:
    for tenant in TENANTS:
        for found in find(session, {Attribute.TOKEN: True, Attribute.LABEL: tenant}):
            found.destroy()


def run_script(name: str, settings: TokenSettings, *arguments: str, timeout: float = 60) -> str:
    """Run a function of hsm_scripts in a process of its own; its output. Fails where it fails."""
    told = json.dumps(asdict(settings))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.crypto.hsm_scripts", name, told, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
