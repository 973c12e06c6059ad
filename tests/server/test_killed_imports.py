"""Key material that is imported into a daemon that is killed: it is there and its token is spent, or neither."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmsd.cli.wrapping import wrapped
from kmsd.client.errors import KmipError
from kmsd.client.sync import SyncClient
from kmsd.domain.transport import TRANSPORTS
from protocol.attributes import Attribute
from protocol.enums import ResultReason
from tests.daemon import Daemon
from tests.operations.requests import register
from tests.server.killing import NEEDS_SOFTHSM, Victim, audited, check_store, check_token, committed, connect

TOKENS = 2
TEXT = b"under material of our own"
ACTIVE = Attribute("Activation Date", 1)
IMPORT, DELETE = "IMPORT_KEY_MATERIAL", "DELETE_KEY_MATERIAL"


class Importer:
    """One client with one CMK, whose material it brings and takes away; and keys that it registers."""

    def __init__(self, client: str, algorithm: str, material: bytes) -> None:
        self.client = client
        self.algorithm = algorithm
        self.material = material
        self.cmk = ""
        self.unused: list[Any] = []
        """Import tokens, each with the material wrapped for it."""
        self.spent: list[Any] = []
        self.trying: Any = None
        """What was sent, and may not have been answered."""
        self.present: bool | None = False
        """Whether the material is there; None while its deletion is not answered."""
        self.sealed: list[bytes] = []
        self.imports = 0
        self.registered: list[str] = []

    def prepare(self, daemon: Daemon) -> None:
        with connect(daemon, self.client) as client:
            if not self.cmk:
                self.cmk = client.create_cmk("AES_256", origin="EXTERNAL").metadata.unique_identifier
            while len(self.unused) < TOKENS:
                given = client.get_parameters_for_import(self.cmk, self.algorithm, "RSA_2048")
                material = wrapped(given.wrapping_public_key, TRANSPORTS[self.algorithm], self.material)
                self.unused.append((given.import_token, material))

    def work(self, daemon: Daemon) -> None:
        with connect(daemon, self.client) as client:
            while self.unused:
                if self.present:
                    self.present = None
                    client.delete_key_material(self.cmk)
                    self.present = False
                self.bring(client)
                self.sealed.append(client.kms_encrypt(self.cmk, TEXT).ciphertext_blob)
            while True:
                self.registered.append(client.call(register(self.material, ACTIVE)).unique_identifier)

    def bring(self, client: SyncClient) -> None:
        self.trying = self.unused.pop()
        token, material = self.trying
        client.import_key_material(self.cmk, material, token)
        self.imports += 1
        self.spent.append(self.trying)
        self.trying = None
        self.present = True

    def check(self, daemon: Daemon) -> None:
        with connect(daemon, self.client) as client:
            present = client.describe_cmk(self.cmk).metadata.key_state == "Enabled"
            if self.trying is None:
                assert self.present in (None, present)
            elif present:
                self.imports += 1
                self.spent.append(self.trying)
            else:
                # As if it had never been sent: the same token still serves, once.
                self.unused.append(self.trying)
            self.trying = None
            self.present = present
            for token, material in self.spent:
                with pytest.raises(KmipError) as refused:
                    client.import_key_material(self.cmk, material, token)
                assert refused.value.reason == ResultReason.INVALID_TICKET
            if not present:
                self.bring(client)
            for sealed in self.sealed:
                assert client.kms_decrypt(sealed).data == TEXT
            for uid in self.registered:
                made = client.encrypt(uid, TEXT)
                whole = (made.data or b"") + (made.authenticated_encryption_tag or b"")
                assert AESGCM(self.material).decrypt(made.iv_counter_nonce or b"", whole, None) == TEXT


@NEEDS_SOFTHSM
def test_a_killed_daemon_has_imported_material_wholly_or_not_at_all(tmp_path: Any) -> None:
    victim = Victim(tmp_path, hsm=True, resident=True)
    transports = {"acme-app": "RSAES_OAEP_SHA_256", "bank-app": "RSAES_OAEP_SHA_1"}
    importers = [Importer(name, how, victim.random.randbytes(32)) for name, how in transports.items() for _ in range(2)]
    with victim.served() as daemon:
        for importer in importers:
            importer.prepare(daemon)
    for operation in (IMPORT, DELETE, None):
        many = victim.random.randrange(1, 2 * TOKENS)
        moment = committed(victim.path, operation, many) if operation else victim.random.uniform(0.0, 0.2)
        victim.kill_during([importer.work for importer in importers], moment)
        check_store(victim.path)
        with victim.served() as daemon:
            check_token(victim)
            for importer in importers:
                importer.check(daemon)
                importer.prepare(daemon)
    # Each import that took effect was recorded, and none took effect twice.
    assert audited(victim.path, IMPORT) == sum(importer.imports for importer in importers)
    check_store(victim.path)
