"""Two daemons on one store: when the one that leads is killed, the other does what is due, and each thing once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from kmsd.domain.cmk import DAY, Cmk
from kmsd.scheduler.jobs import SCHEDULER
from kmsd.storage.store import Store
from tests.daemon import Daemon, free_port, serving
from tests.server.killing import Victim, change_cmks, check_store, committed, connect

ROTATE = "ROTATE_CMK"
KEYS = 6
TEXT = b"encrypted before the rotation"


def overdue(cmk: Cmk) -> Cmk:
    return replace(cmk, last_rotation=int(time.time()) - 8 * DAY)


def make_keys(daemon: Daemon) -> list[bytes]:
    """Keys that rotate every seven days, each with something that it has encrypted."""
    with connect(daemon) as client:
        made = [client.create_cmk("AES_256", rotation_interval=7 * DAY) for _ in range(KEYS)]
        return [client.kms_encrypt(each.metadata.unique_identifier, TEXT).ciphertext_blob for each in made]


def rotations(path: Path) -> Counter[str | None]:
    """Of each key, by the clock."""
    with Store.open(path) as store:
        records = [record for _, record in store.audit_after(0, 1 << 30)]
    return Counter(r.uid for r in records if r.client == SCHEDULER and (r.operation, r.result) == (ROTATE, "SUCCESS"))


def wait_for(path: Path, times: int) -> None:
    deadline = time.monotonic() + 60
    while rotations(path).total() < times:
        assert time.monotonic() < deadline, rotations(path)
        time.sleep(0.1)


def check_keys(daemon: Daemon, sealed: list[bytes], versions: int) -> None:
    with connect(daemon) as client:
        assert [each.version_count for each in client.list_cmks().keys] == [versions] * KEYS
        assert {client.kms_decrypt(each).data for each in sealed} == {TEXT}


def kill(serving_one: ExitStack, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="exit code -9"):
        serving_one.close()


def test_the_one_that_is_left_takes_over(tmp_path: Path) -> None:
    victim = Victim(tmp_path, hsm=False)
    port = free_port()
    text = (tmp_path / "kmsd.yaml").read_text()
    (tmp_path / "second.yaml").write_text(text.replace(f"port: {victim.port}", f"port: {port}"))
    with ExitStack() as one:
        leader = one.enter_context(victim.served())
        sealed = make_keys(leader)
        with serving(tmp_path, port, configuration="second.yaml") as follower:
            check_keys(follower, sealed, 1)
            trio.run(change_cmks, victim.path, overdue)
            kill(one, leader.pid)
            wait_for(victim.path, KEYS)
            check_keys(follower, sealed, 2)
            with victim.served() as again:
                check_keys(again, sealed, 2)
                assert set(rotations(victim.path).values()) == {1}
    check_store(victim.path)


def test_what_a_killed_leader_has_begun_the_next_one_finishes(tmp_path: Path) -> None:
    victim = Victim(tmp_path, hsm=False)
    with victim.served() as daemon:
        sealed = make_keys(daemon)
    trio.run(change_cmks, victim.path, overdue)
    victim.kill_at_start(committed(victim.path, ROTATE, victim.random.randrange(1, KEYS)))
    check_store(victim.path)
    with victim.served() as daemon:
        wait_for(victim.path, KEYS)
        check_keys(daemon, sealed, 2)
    assert list(rotations(victim.path).values()) == [1] * KEYS
    check_store(victim.path)
