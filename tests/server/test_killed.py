"""A daemon that is killed in the middle of rotations and switches of aliases leaves no half of one."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from kmsd.client.errors import ConnectionFailed
from kmsd.client.sync import SyncClient
from kmsd.domain import cmk as cmks
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.locate import LocateQuery
from kmsd.storage.store import Store
from protocol.enums import ObjectType, StorageStatusMask
from tests.daemon import Daemon, free_port, serving, set_up

ROUNDS = 4
MOST_VERSIONS = KeyRules().maximum_versions
EVERYWHERE = StorageStatusMask(7)


def connect(daemon: Daemon) -> SyncClient:
    return SyncClient(
        daemon.host, daemon.port, certificate=daemon.certificate(), private_key=daemon.key(), ca=daemon.ca
    )


def test_a_killed_daemon_leaves_whole_rotations(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path, port, hsm=False)
    rotations = 0
    for number in range(ROUNDS):
        alias = f"alias/app-{number}"
        with serving(tmp_path, port) as daemon, connect(daemon) as client:
            keys = [client.create_cmk(spec).metadata.unique_identifier for spec in ("AES_256", "EC_P256", "AES_256")]
            client.create_alias(alias, keys[0])
        answered = dict.fromkeys(keys, 1)
        with pytest.raises(AssertionError, match="exit code -9"):
            kill_while_busy(tmp_path, port, alias, keys, answered)
        check(tmp_path, alias, keys, answered)
        rotations += sum(answered.values()) - len(keys)
    assert rotations > 0


def kill_while_busy(directory: Path, port: int, alias: str, keys: list[str], answered: dict[str, int]) -> None:
    """As far as chance has it, something is half done."""
    with serving(directory, port) as daemon:
        tasks = [threading.Thread(target=rotate, args=(daemon, key, answered)) for key in keys]
        tasks.append(threading.Thread(target=switch, args=(daemon, alias, keys[0], keys[2])))
        for task in tasks:
            task.start()
        tasks[0].join(random.uniform(0.05, 0.5))
        os.kill(daemon.pid, signal.SIGKILL)
        for task in tasks:
            task.join()


def rotate(daemon: Daemon, key: str, answered: dict[str, int]) -> None:
    with suppress(ConnectionFailed), connect(daemon) as client:
        # As many versions as a pair may have: a fast machine gets there before the kill.
        while answered[key] < MOST_VERSIONS:
            answered[key] = client.rotate_cmk(key).version_number


def switch(daemon: Daemon, alias: str, first: str, second: str) -> None:
    with suppress(ConnectionFailed), connect(daemon) as client:
        while True:
            client.update_alias(alias, second)
            client.update_alias(alias, first)


def check(directory: Path, alias: str, keys: list[str], answered: dict[str, int]) -> None:
    """Each CMK has all its versions, each with its material, the newest as primary; what was answered has happened."""
    [path] = directory.rglob("*.db")
    with Store.open(path) as store:
        [tenant] = {tenant for tenant in ("acme", "bank") if store.get(tenant, keys[0]) is not None}
        holders = 0
        for key in keys:
            record = store.get(tenant, key)
            assert record is not None
            cmk = cmks.from_object(record)
            holders += alias in cmk.aliases
            query = LocateQuery(tenant, (cmks.CMK_ID.attribute(key),), storage_status_mask=EVERYWHERE)
            found = [store.get(tenant, uid) for uid in store.locate(query)]
            halves = [version for version in found if version is not None]
            assert all(version.material is not None for version in halves)
            versions = {
                cmks.number_of(version): version for version in halves if version.object_type != ObjectType.PUBLIC_KEY
            }
            assert sorted(versions) == list(range(1, cmk.versions + 1))
            assert len(halves) == cmk.versions * (2 if cmk.spec.pair else 1)
            assert versions[cmk.versions].uid == cmk.primary
            latest = [number for number, version in versions.items() if version.attributes.get("Rotate Latest")]
            assert latest == [cmk.versions]
            stopped = {number for number, version in versions.items() if "Protect Stop Date" in version.attributes}
            assert stopped == set(range(1, cmk.versions))
            # A rotation may have been stored and its answer lost, never the other way round.
            assert cmk.versions >= answered[key]
            answered[key] = cmk.versions
        assert holders == 1
