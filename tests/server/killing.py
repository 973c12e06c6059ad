"""A daemon that is killed by SIGKILL while it works, again and again, and what must hold each time after that."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.client.errors import ConnectionFailed
from kmsd.client.sync import SyncClient
from kmsd.domain import cmk as cmks
from kmsd.domain.lifecycle import is_destroyed
from kmsd.domain.locate import LocateQuery
from kmsd.domain.objects import ManagedObject
from kmsd.storage.store import Store
from kmsd.storage.work import UnitOfWork
from protocol.enums import ObjectType, StorageStatusMask
from tests import token_keys
from tests.daemon import KMSD, Daemon, free_port, serving, set_up

SEED = int(os.environ.get("KMSD_KILL_SEED", "20261125"))
"""Of what is done and when it is cut off. How far the daemon has come by then is up to the machine."""
EVERYWHERE = StorageStatusMask(7)
TENANTS = ("acme", "bank")
OWN = {(label, label) for role in ("kek", "data") for tenant in TENANTS for label in (f"kmsd-{role}-{tenant}",)}
"""What is on the token for the tenants themselves."""
NEEDS_SOFTHSM = pytest.mark.skipif(shutil.which("softhsm2-util") is None, reason="no SoftHSM on this machine")

Work = Callable[[Daemon], None]


def connect(daemon: Daemon, client: str = "acme-app") -> SyncClient:
    return SyncClient(
        daemon.host, daemon.port, certificate=daemon.certificate(client), private_key=daemon.key(client), ca=daemon.ca
    )


class Victim:
    """A development directory, and the daemons that serve it one after the other."""

    def __init__(self, directory: Path, *, hsm: bool, resident: bool = False) -> None:
        """`resident`: tenant bank keeps its HSM keys in the token; acme's are wrapped always."""
        self.directory = directory
        self.random = random.Random(SEED)
        self.port = free_port()
        set_up(directory, self.port, hsm=hsm)
        if resident:
            path = directory / "kmsd.yaml"
            path.write_text(path.read_text().replace("  bank:\n", "  bank:\n    keeping: resident\n"))
        print(f"KMSD_KILL_SEED={SEED}")

    @property
    def path(self) -> Path:
        return self.directory / "kmsd.db"

    def served(self) -> AbstractContextManager[Daemon]:
        return serving(self.directory, self.port)

    def kill_during(self, work: Sequence[Work], after: float | Callable[[], bool]) -> None:
        """Serve, let all of `work` be done at once, and kill: after so many seconds of it, or once `after` says so."""
        with pytest.raises(AssertionError, match="exit code -9"):
            self._kill_during(work, after)

    def _kill_during(self, work: Sequence[Work], after: float | Callable[[], bool]) -> None:
        with self.served() as daemon, ThreadPoolExecutor(len(work) or 1) as pool:
            tasks = [pool.submit(_until_killed, each, daemon) for each in work]
            try:
                if callable(after):
                    _await(after)
                else:
                    time.sleep(after)
            finally:
                os.kill(daemon.pid, signal.SIGKILL)
            for task in tasks:
                task.result()

    def kill_at_start(self, after: Callable[[], bool]) -> None:
        """Serve, and kill once `after` says so, be the daemon ready or not."""
        command = [*KMSD, "serve", "--config", str(self.directory / "kmsd.yaml")]
        with (
            (self.directory / "daemon.log").open("ab") as log,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log) as process,
        ):
            try:
                _await(after)
            finally:
                process.kill()
        assert process.returncode == -signal.SIGKILL

    def logged(self) -> list[dict[str, Any]]:
        """What the latest daemon has logged."""
        lines = [json.loads(line) for line in (self.directory / "daemon.log").read_text().splitlines()]
        starts = [number for number, line in enumerate(lines) if line["event"] == "listening"]
        previous = starts[-2] if len(starts) > 1 else -1
        return lines[previous + 1 :]


def token_grows(directory: Path, keys: int) -> Callable[[], bool]:
    """For kill_during: so many keys have been made on the SoftHSM token, the last one at this moment."""
    tokens = directory / "tokens"
    goal = _files(tokens) + keys
    return lambda: _files(tokens) >= goal


def _files(tokens: Path) -> int:
    return sum(1 for _ in tokens.glob("*/*.object"))


def committed(path: Path, operation: str, times: int) -> Callable[[], bool]:
    """For kill_during: the store has done so many of them, the last one at this moment."""
    statement = "SELECT count(*) FROM audit WHERE operation = ? AND result = 'SUCCESS'"

    def count() -> int:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute(statement, (operation,)).fetchone()[0])

    goal = count() + times
    return lambda: count() >= goal


def _until_killed(work: Work, daemon: Daemon) -> None:
    try:
        work(daemon)
    except ConnectionFailed:
        with pytest.raises(ConnectionFailed), connect(daemon) as client:
            client.query()


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.001)


async def change_cmks(path: Path, change: Callable[[cmks.Cmk], cmks.Cmk]) -> None:
    """Nobody waits for days here: what the records say of the past is changed in the store."""
    with Store.open(path) as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            work = UnitOfWork()
            for tenant in TENANTS:
                for uid in store.locate(LocateQuery(tenant, records=True)):
                    work.update(cmks.to_object(change(cmks.from_object(_stored(store, tenant, uid)))))
            await store.commit(work)
            nursery.cancel_scope.cancel()


# What must hold in a store that nobody serves


def check_store(path: Path) -> None:
    """The audit trail has no gap, every object has its material or is known to have none, every CMK is whole."""
    with Store.open(path) as store:
        sequences = [sequence for sequence, _ in store.audit_after(0, 1 << 30)]
        assert sequences == list(range(1, len(sequences) + 1))
        for tenant in TENANTS:
            everything = LocateQuery(tenant, (), storage_status_mask=EVERYWHERE)
            objects = [_stored(store, tenant, uid) for uid in store.locate(everything)]
            for key in objects:
                empty = key.attributes.get("Key Value Present") is False
                assert (key.material is None) == (is_destroyed(key) or empty), key
            for uid in {cmks.cmk_of(key) for key in objects} - {None}:
                cmk = cmks.from_object(_stored(store, tenant, uid or ""))
                check_cmk(cmk, [key for key in objects if cmks.cmk_of(key) == uid])


def _stored(store: Store, tenant: str, uid: str) -> ManagedObject:
    found = store.get(tenant, uid)
    assert found is not None
    return found


def check_cmk(cmk: cmks.Cmk, halves: list[ManagedObject]) -> None:
    """All its versions are there, destroyed together with it, and the newest is the primary and alone protects."""
    versions = {cmks.number_of(key): key for key in halves if key.object_type != ObjectType.PUBLIC_KEY}
    assert sorted(versions) == list(range(1, cmk.versions + 1))
    assert len(halves) == cmk.versions * (2 if cmk.spec.pair else 1)
    assert all(is_destroyed(key) == (cmk.destroyed is not None) for key in halves)
    if cmk.destroyed is None:
        assert all((key.material is not None) == cmk.has_material for key in halves)
    assert versions[cmk.versions].uid == cmk.primary
    latest = [number for number, version in versions.items() if version.attributes.get("Rotate Latest")]
    assert latest == [cmk.versions]
    stopped = {number for number, version in versions.items() if "Protect Stop Date" in version.attributes}
    assert stopped == set(range(1, cmk.versions))


def check_token(victim: Victim) -> int:
    """While a daemon serves and makes none: the token has the keys of the store, and the orphans that its start has
    reported, and no other; how many orphans."""
    orphans = _reported(victim)
    with Store.open(victim.path) as store:
        assert store.resident("acme") == {}
        stored = {("bank", key_id.decode()) for key_id in store.resident("bank").values()}
    assert token_keys.keys(victim.directory) == OWN | stored | orphans
    return len(orphans)


def _reported(victim: Victim) -> set[token_keys.Key]:
    found: set[token_keys.Key] = set()
    for line in victim.logged():
        if line["event"] == "the store and the token have not the same keys":
            keys = [key.rpartition(" ") for key in line["keys"]]
            # What is missing, or named by no more than a number, is not as it should be.
            assert {what for what, _, _ in keys} <= {"orphan", "remnant"}, line
            assert len(keys) == line.get("orphan", 0) + line.get("remnant", 0)
            found |= {(line["tenant"], key_id) for what, _, key_id in keys if what == "orphan"}
    return found


def audited(path: Path, *operations: str) -> int:
    """How many of them the audit trail says were done."""
    with Store.open(path) as store:
        return sum(r.operation in operations and r.result == "SUCCESS" for _, r in store.audit_after(0, 1 << 30))
