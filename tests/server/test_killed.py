"""A daemon that is killed in the middle of rotations and switches of aliases leaves no half of one."""

from __future__ import annotations

from pathlib import Path

from kmsd.domain import cmk as cmks
from kmsd.domain.key_rules import KeyRules
from kmsd.storage.store import Store
from tests.daemon import Daemon
from tests.server.killing import Victim, check_store, connect

ROUNDS = 4
MOST_VERSIONS = KeyRules().maximum_versions


def test_a_killed_daemon_leaves_whole_rotations(tmp_path: Path) -> None:
    victim = Victim(tmp_path, hsm=False)
    rotations = 0
    for number in range(ROUNDS):
        alias = f"alias/app-{number}"
        with victim.served() as daemon, connect(daemon) as client:
            keys = [client.create_cmk(spec).metadata.unique_identifier for spec in ("AES_256", "EC_P256", "AES_256")]
            client.create_alias(alias, keys[0])
        answered = dict.fromkeys(keys, 1)

        def rotate(daemon: Daemon, key: str, answered: dict[str, int] = answered) -> None:
            with connect(daemon) as client:
                # As many versions as a pair may have: a fast machine gets there before the kill.
                while answered[key] < MOST_VERSIONS:
                    answered[key] = client.rotate_cmk(key).version_number

        def switch(daemon: Daemon, alias: str = alias, keys: list[str] = keys) -> None:
            with connect(daemon) as client:
                while True:
                    client.update_alias(alias, keys[2])
                    client.update_alias(alias, keys[0])

        work = [*(lambda daemon, key=key: rotate(daemon, key) for key in keys), switch]
        victim.kill_during(work, victim.random.uniform(0.05, 0.5))
        check_store(victim.path)
        check(victim.path, alias, answered)
        rotations += sum(answered.values()) - len(keys)
    assert rotations > 0


def check(path: Path, alias: str, answered: dict[str, int]) -> None:
    """What was answered has happened, and the alias names one key."""
    with Store.open(path) as store:
        holders = 0
        for key, versions in list(answered.items()):
            record = store.get("acme", key)
            assert record is not None
            cmk = cmks.from_object(record)
            holders += alias in cmk.aliases
            # A rotation may have been stored and its answer lost, never the other way round.
            assert cmk.versions >= versions
            answered[key] = cmk.versions
        assert holders == 1
