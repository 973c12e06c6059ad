"""HSM keys, wrapped and resident, made, rotated and destroyed by a daemon that is killed in the middle of it."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kmsd.client.errors import KmipError
from kmsd.client.sync import SyncClient
from protocol.enums import ResultReason
from tests.daemon import KMSD, Daemon
from tests.server.killing import (
    NEEDS_SOFTHSM,
    Victim,
    audited,
    check_store,
    check_token,
    committed,
    connect,
    token_grows,
)

TEXT = b"what must be read again"


@dataclass
class Client:
    """One client, and what it was answered."""

    name: str
    random: random.Random
    versions: dict[str, int] = field(default_factory=dict)
    """Of each CMK."""
    sealed: list[tuple[str, bytes]] = field(default_factory=list)
    """Ciphertexts under CMKs."""
    plain: dict[str, Any] = field(default_factory=dict)
    """What each plain key has encrypted."""
    leaving: set[str] = field(default_factory=set)
    """Keys whose destruction was asked for."""
    gone: set[str] = field(default_factory=set)
    """And answered."""

    def work(self, daemon: Daemon) -> None:
        steps = (self.make_cmk, self.rotate, self.make, self.make, self.destroy)
        with connect(daemon, self.name) as client:
            while True:
                self.random.choice(steps)(client)

    def make_cmk(self, client: SyncClient) -> None:
        uid = client.create_cmk("AES_256", protection="HSM").metadata.unique_identifier
        self.versions[uid] = 1
        self.seal(client, uid)

    def rotate(self, client: SyncClient) -> None:
        if self.versions:
            uid = self.random.choice(list(self.versions))
            self.versions[uid] = client.rotate_cmk(uid).version_number
            self.seal(client, uid)

    def seal(self, client: SyncClient, uid: str) -> None:
        self.sealed.append((uid, client.kms_encrypt(uid, TEXT).ciphertext_blob))

    def make(self, client: SyncClient) -> None:
        uid = client.create().unique_identifier
        client.activate(uid)
        self.plain[uid] = client.encrypt(uid, TEXT)

    def destroy(self, client: SyncClient) -> None:
        left = [uid for uid in self.plain if uid not in self.leaving]
        if left:
            uid = self.random.choice(left)
            self.leaving.add(uid)
            client.revoke(uid)
            client.destroy(uid)
            self.gone.add(uid)

    def check(self, daemon: Daemon) -> None:
        """Every key that was answered works, and those that were destroyed are gone."""
        with connect(daemon, self.name) as client:
            for uid, sealed in self.sealed:
                assert client.kms_decrypt(sealed).data == TEXT, uid
            for uid, answered in self.versions.items():
                now = client.describe_cmk(uid).metadata.version_count
                # A rotation may have been stored and its answer lost, never the other way round.
                assert now >= answered
                self.versions[uid] = now
                assert client.kms_decrypt(client.kms_encrypt(uid, TEXT).ciphertext_blob).data == TEXT
            for uid, sealed in self.plain.items():
                state = decrypts(client, uid, sealed)
                assert state or uid in self.leaving, uid
                assert not (state and uid in self.gone), uid


def decrypts(client: SyncClient, uid: str, sealed: Any) -> bool:
    """False where the key is destroyed."""
    iv, tag = sealed.iv_counter_nonce, sealed.authenticated_encryption_tag
    try:
        opened = client.decrypt(uid, sealed.data, iv=iv, tag=tag)
    except KmipError as error:
        if error.reason == ResultReason.OBJECT_DESTROYED:
            return False
        raise
    assert opened.data == TEXT
    return True


@NEEDS_SOFTHSM
def test_a_killed_daemon_leaves_store_and_token_consistent(tmp_path: Path) -> None:
    victim = Victim(tmp_path, hsm=True, resident=True)
    path = tmp_path / "kmsd.yaml"
    # A client of acme asks for HSM keys as well, which are wrapped there.
    path.write_text(path.read_text().replace("default_protection: SOFTWARE", "default_protection: HSM"))
    clients = [Client(name, random.Random(victim.random.random())) for name in ("acme-app", *["bank-app"] * 6)]
    with victim.served():
        pass
    orphans, remnants = 0, 0
    for kind in ("made", "destroyed", "any", "made"):
        many = victim.random.randrange(2, 10)
        moments = {
            "any": victim.random.uniform(0.2, 1.2),
            "made": token_grows(tmp_path, many),
            "destroyed": committed(victim.path, "DESTROY", many),
        }
        victim.kill_during([client.work for client in clients], moments[kind])
        check_store(victim.path)
        with victim.served() as daemon:
            for client in clients:
                client.check(daemon)
            found = check_token(victim)
        assert found >= orphans
        orphans = found
        remnants += sum(line["event"] == "remnant removed from the token" for line in victim.logged())
    # Not nothing: how much of what each client does is up to chance.
    assert any(client.sealed for client in clients)
    assert any(client.plain for client in clients)
    assert audited(victim.path, "DESTROY") >= sum(len(client.gone) for client in clients)
    print(f"{orphans} orphans, {remnants} remnants")
    command = [*KMSD, "hsm", "orphans", "--config", str(path), "--destroy", "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with victim.served() as daemon:
        assert check_token(victim) == 0
        for client in clients:
            client.check(daemon)
