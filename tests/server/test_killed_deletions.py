"""CMKs whose date of deletion has come, and a daemon that is killed while it destroys them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import trio

from kmsd.client.sync import SyncClient
from kmsd.domain.cmk import Cmk
from tests.daemon import Daemon
from tests.server.killing import (
    NEEDS_SOFTHSM,
    TENANTS,
    Victim,
    audited,
    change_cmks,
    check_store,
    check_token,
    committed,
    connect,
)

DOOMED = 6
"""Of each tenant."""
TEXT = b"of a key that stays"
DELETE = "DELETE_CMK"


def make(client: SyncClient, spec: str) -> str:
    """A CMK of two versions."""
    uid = client.create_cmk(spec).metadata.unique_identifier
    client.rotate_cmk(uid)
    return uid


def doom(daemon: Daemon, name: str) -> list[bytes]:
    """CMKs that are to be deleted, and what one that stays has encrypted."""
    with connect(daemon, name) as client:
        for number in range(DOOMED):
            client.schedule_deletion(make(client, "EC_P256" if number % 4 == 0 else "AES_256"), 7)
        staying = [make(client, "AES_256") for _ in range(2)]
        return [client.kms_encrypt(uid, TEXT).ciphertext_blob for uid in staying]


def let_the_date_come(cmk: Cmk) -> Cmk:
    return cmk if cmk.deletion_date is None else replace(cmk, deletion_date=int(time.time()) - 1)


@NEEDS_SOFTHSM
def test_a_killed_daemon_destroys_a_cmk_wholly_or_not_yet_and_once(tmp_path: Path) -> None:
    victim = Victim(tmp_path, hsm=True, resident=True)
    with victim.served() as daemon:
        staying = {name: doom(daemon, name) for name in ("acme-app", "bank-app")}
    trio.run(change_cmks, victim.path, let_the_date_come)
    for _ in range(3):
        left = len(TENANTS) * DOOMED - audited(victim.path, DELETE)
        if left:
            victim.kill_at_start(committed(victim.path, DELETE, min(left, victim.random.randint(1, 4))))
            check_store(victim.path)
    with victim.served() as daemon:
        deadline = time.monotonic() + 60
        while audited(victim.path, DELETE) < len(TENANTS) * DOOMED:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for name, sealed in staying.items():
            with connect(daemon, name) as client:
                assert client.list_cmks().located_items == 2
                assert {client.kms_decrypt(each).data for each in sealed} == {TEXT}
    with victim.served():
        assert check_token(victim) == 0
    assert audited(victim.path, DELETE) == len(TENANTS) * DOOMED
    check_store(victim.path)
