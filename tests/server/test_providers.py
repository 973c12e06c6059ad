"""A start with another root, another token or a lost key is refused; nothing is made anew beside what was there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from kmsd.cli.dev import configuration, write
from kmsd.cli.dev_certificates import Authority
from kmsd.config.loader import load
from kmsd.config.settings import Settings
from kmsd.crypto import sm2
from kmsd.crypto.provider import KeyReference
from kmsd.crypto.sm2 import Support
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations.services import Tenant
from kmsd.server.providers import StartError, Tenancies
from kmsd.storage.store import Store
from protocol.enums import CryptographicAlgorithm, KeyFormatType, ObjectType


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A development directory without a token."""
    before = os.umask(0o077)
    (tmp_path / "credentials").mkdir(mode=0o700)
    new_root_key(tmp_path)
    Authority(tmp_path, write).server("server", ["localhost"], ["127.0.0.1"])
    (tmp_path / "kmsd.yaml").write_text(configuration(tmp_path, 5696, None))
    yield tmp_path
    os.umask(before)


def new_root_key(directory: Path) -> None:
    path = directory / "credentials" / "root-key"
    path.write_bytes(secrets.token_bytes(32))
    path.chmod(0o600)


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    with Store.open(directory / "kmsd.db") as opened:
        yield opened


def settings(directory: Path, **replaced: str) -> Settings:
    path = directory / "kmsd.yaml"
    text = configuration(directory, 5696, None)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return load(path)


def tenants(settings: Settings, store: Store, closing: ExitStack) -> Mapping[str, Tenant]:
    return Tenancies(settings, store, closing).prepare(settings)


@pytest.mark.parametrize(
    ("support", "words"),
    [
        (Support("OpenSSL 3.0", None, None), ["SM2 tested"]),
        (Support("OpenSSL 3.5", None, "may leak"), ["SM2 tested", "SM2 keys are at risk"]),
        (Support("none", "built without it", None), ["SM2 keys are refused"]),
    ],
    ids=["works", "leaks", "missing"],
)
def test_who_allows_sm2_is_told_whether_it_works(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch, support: Support, words: list[str]
) -> None:
    monkeypatch.setattr(sm2, "support", lambda: support)
    text = (
        (directory / "kmsd.yaml")
        .read_text()
        .replace("\n    roles:", '\n    algorithms: {AES: "*", SM2: "*"}\n    roles:', 1)
    )
    (directory / "kmsd.yaml").write_text(text)
    with structlog.testing.capture_logs() as logs, ExitStack() as closing:
        tenants(load(directory / "kmsd.yaml"), store, closing)
    assert [entry["event"] for entry in logs if "SM2" in entry["event"]] == words


def test_sealed_material_opens_after_a_restart(directory: Path, store: Store) -> None:
    reference = KeyReference("acme", "uid", ObjectType.SYMMETRIC_KEY, CryptographicAlgorithm.AES, 256)
    with ExitStack() as closing:
        software = tenants(settings(directory), store, closing)["acme"].software
        kept = software.store(reference, bytes(range(32)), KeyFormatType.RAW)
    with ExitStack() as closing:
        again = tenants(settings(directory), store, closing)["acme"]
    assert set(again.providers) == {ProtectionLevel.SOFTWARE}
    sealer = again.software._sealing  # type: ignore[attr-defined]
    assert sealer.open(reference, KeyFormatType.RAW, kept.material.blob) == bytes(range(32))


def test_another_root_key_is_a_refused_start(directory: Path, store: Store) -> None:
    with ExitStack() as closing:
        tenants(settings(directory), store, closing)
    new_root_key(directory)
    with ExitStack() as closing, pytest.raises(StartError, match="tenant acme"):
        tenants(settings(directory), store, closing)
    assert store.load_tenant("acme") is not None


def test_a_tenant_does_not_change_its_root_silently(directory: Path, store: Store) -> None:
    with ExitStack() as closing:
        tenants(settings(directory), store, closing)
    row = store.load_tenant("acme")
    assert row is not None
    assert row.root == "software"
    assert len(row.wrapped_key) > 32
