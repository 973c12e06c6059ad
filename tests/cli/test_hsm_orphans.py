"""`kmsd hsm orphans`, on a real store and token, with a daemon beside it and without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kmsd.client import SyncClient
from kmsd.crypto.holdings import new_key_id
from kmsd.storage.store import Store
from tests import token_keys
from tests.daemon import KMSD, Daemon, free_port, serving, set_up
from tests.token_keys import Key

BARE = str(uuid.UUID(int=1))
OLD = new_key_id(str(uuid.UUID(int=2)), 1_700_000_000).decode()
FOREIGN = {("bank", "an operator's own"), ("vault", BARE), ("kmsd-kek-gone", "a copy")}
GONE = {(f"kmsd-{role}-gone", f"kmsd-{role}-gone") for role in ("kek", "data")}


class Place:
    """A development directory whose tenant `bank` keeps its keys in the token."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        set_up(directory, self.port, hsm=True)
        path = directory / "kmsd.yaml"
        path.write_text(path.read_text().replace("  bank:\n", "  bank:\n    keeping: resident\n"))

    @contextmanager
    def served(self) -> Iterator[SyncClient]:
        with serving(self.directory, self.port) as daemon, connect(daemon) as client:
            yield client

    def orphans(self, *options: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*KMSD, "hsm", "orphans", "--config", str(self.directory / "kmsd.yaml"), *options],
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def found(self, *options: str) -> list[tuple[str, str, str]]:
        """(tenant, what, CKA_ID), once the exit code is what it should be."""
        done = self.orphans("--json", *options)
        documents: list[dict[str, Any]] = json.loads(done.stdout)
        assert done.returncode == (1 if documents else 0), done.stderr
        return sorted((each["tenant"], each["what"], each["cka_id"]) for each in documents)

    def noted(self) -> list[tuple[str, str, str | None, str]]:
        """(tenant, client, object, detail) of each key that the audit trail says was destroyed on the token."""
        config = ["--config", str(self.directory / "kmsd.yaml")]
        asked = ["--json", "--operation", "RemoveFromToken", "--outcome", "success"]
        command = [*KMSD, "audit", "list", *config, *asked]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        records = json.loads(done.stdout)
        return sorted((each["tenant"], each["client"], each["object"], each["detail"]) for each in records)

    def keys(self, *, make: Iterable[Key] = (), remove: Iterable[Key] = ()) -> set[Key]:
        return token_keys.keys(self.directory, make=make, remove=remove)

    def stored(self) -> dict[str, bytes]:
        with Store.open(self.directory / "kmsd.db") as store:
            return store.resident("bank")


def connect(daemon: Daemon) -> SyncClient:
    return SyncClient(
        daemon.host,
        daemon.port,
        certificate=daemon.certificate("bank-app"),
        private_key=daemon.key("bank-app"),
        ca=daemon.ca,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """With bank-demo, which the configuration declares."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("no SoftHSM on this machine")
    place = Place(tmp_path_factory.mktemp("orphans"))
    with place.served():
        pass
    return place


def test_orphans_are_shown_left_alone_and_destroyed_by_order(place: Place) -> None:
    done = place.orphans()
    assert (done.returncode, done.stdout, done.stderr) == (0, "the store and the tokens have the same keys\n", "")
    ours = {("bank", key_id.decode()) for key_id in place.stored().values()}
    with_orphans = place.keys(make=[("bank", BARE), ("bank", OLD), *FOREIGN])
    assert ours < with_orphans
    refused = place.orphans("--destroy", answer="n\n")
    assert refused.returncode == 1
    assert "Destroy 2 on the token for good?" in refused.stderr
    header, *lines = [line.split() for line in refused.stdout.splitlines()]
    assert header == ["HSM", "Tenant", "What", "Key", "Made"]
    assert sorted(lines) == [
        ["softhsm", "bank", "orphan", BARE],
        ["softhsm", "bank", "orphan", OLD, "2023-11-14T22:13:20Z"],
    ]
    assert place.found("--tenant", "acme", "--destroy", "--yes") == []
    assert place.keys() == with_orphans
    assert place.found("--destroy", "--yes") == []
    assert place.keys(remove=FOREIGN) == with_orphans - FOREIGN - {("bank", BARE), ("bank", OLD)}
    by = ("bank", f"operator {os.getuid()}")
    assert place.noted() == [
        (*by, str(uuid.UUID(int=1)), f"softhsm: orphan {BARE}"),
        (*by, str(uuid.UUID(int=2)), f"softhsm: orphan {OLD}"),
    ]


def test_beside_a_daemon_what_it_may_be_making_is_left_to_it(place: Place) -> None:
    young = new_key_id(str(uuid.UUID(int=3)), time.time()).decode()
    with place.served() as client:
        before = place.keys(make=[("bank", young), ("bank", OLD)])
        assert place.found("--destroy", "--yes") == [("bank", "being made", young)]
        assert place.keys() == before - {("bank", OLD)}
        uid = client.create(name="to be lost").unique_identifier
    lost = place.stored()[uid].decode()
    place.keys(remove=[("bank", lost)])
    # Nobody makes keys now, and nothing brings back what is missing.
    assert place.found() == [("bank", "missing", lost), ("bank", "orphan", young)]
    assert place.found("--destroy", "--yes") == [("bank", "missing", lost)]
    with place.served() as client:
        client.destroy(uid)
        assert place.found("--older-than", "0s") == []


def test_keys_of_a_tenant_that_nobody_knows_are_destroyed_only_where_it_is_named(place: Place) -> None:
    before = place.keys(make=GONE)
    assert place.found("--destroy", "--yes") == [
        ("gone", "tenant key", "kmsd-data-gone"),
        ("gone", "tenant key", "kmsd-kek-gone"),
    ]
    assert place.found("--destroy", "--yes", "--tenant", "gone") == []
    assert place.keys() == before - GONE
    for destroy in ([], ["--destroy", "--yes"]):
        done = place.orphans("--tenant", "gone", *destroy)
        assert (done.returncode, done.stdout) == (2, "")
        assert "the configuration has no tenant 'gone', and no token has its keys" in done.stderr
    assert place.found("--tenant", "acme") == []


def test_a_mistake_a_missing_store_and_a_wrong_pin_are_said(place: Place, tmp_path: Path) -> None:
    configuration = place.directory / "kmsd.yaml"
    right = configuration.read_text()
    pin = place.directory / "credentials" / "hsm-pin"
    right_pin = pin.read_text()
    try:
        configuration.write_text(right.replace("tenants:", "tenant:"))
        done = place.orphans()
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{configuration}:" in done.stderr
        assert ": tenant: " in done.stderr
        configuration.write_text(right.replace("sqlite: kmsd.db", f"sqlite: {tmp_path}/none.db"))
        done = place.orphans()
        assert (done.returncode, done.stdout) == (1, "")
        assert "none.db: there is no store" in done.stderr
        assert not (tmp_path / "none.db").exists()
        configuration.write_text(right)
        pin.write_text("0000\n")
        done = place.orphans()
        assert (done.returncode, done.stdout) == (78, "")
        assert "refused the PIN" in done.stderr
    finally:
        configuration.write_text(right)
        pin.write_text(right_pin)
    assert place.found() == []
