"""A reload, on a daemon in a process of its own: all of a configuration takes effect, or nothing does."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from kmsd.cli import main
from kmsd.client import ConnectionFailed, KmipError, SyncClient
from kmsd.config.passwords import hash_password
from kmsd.server.control import socket_of
from protocol.enums import CryptographicAlgorithm, ResultReason
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.versions import V1_4
from tests.daemon import KMSD, Daemon, free_port, serving, set_up

DEADLINE = 20

Change = Callable[[dict[str, Any]], object]


def reload(daemon: Daemon) -> Result:
    return CliRunner().invoke(main, ["reload", "--config", str(daemon.directory / "kmsd.yaml")])


def edit(daemon: Daemon, change: Change) -> Result:
    """Change the configuration, and reload it."""
    path = daemon.directory / "kmsd.yaml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return reload(daemon)


def apply(daemon: Daemon, change: Change) -> list[str]:
    """As `edit`, where it must be taken up: the places that have changed."""
    done = edit(daemon, change)
    assert done.exit_code == 0, done.output
    first, *places = done.output.splitlines()
    assert first == f"reloaded, changes: {len(places)}"
    return [place.strip() for place in places]


def refuse(daemon: Daemon, change: Change) -> list[str]:
    """As `edit`, where it must be refused: the mistakes, without the name of the file."""
    before = (daemon.directory / "kmsd.yaml").read_text()
    done = edit(daemon, change)
    (daemon.directory / "kmsd.yaml").write_text(before)
    assert done.exit_code == 1, done.output
    first, *mistakes = done.stderr.splitlines()
    assert first == "Error: not reloaded:"
    prefix = f"{daemon.directory / 'kmsd.yaml'}:"
    assert all(mistake.startswith(prefix) for mistake in mistakes), mistakes
    return [mistake.removeprefix(prefix).partition(": ")[2] for mistake in mistakes]


def acme(document: dict[str, Any]) -> dict[str, Any]:
    tenant: dict[str, Any] = document["tenants"]["acme"]
    return tenant


def connect(daemon: Daemon, name: str = "acme-app", **more: Any) -> SyncClient:
    return SyncClient(
        daemon.host,
        daemon.port,
        certificate=daemon.certificate(name),
        private_key=daemon.key(name),
        ca=daemon.ca,
        **{"version": V1_4, **more},
    )


def reason(client: SyncClient, call: Callable[[SyncClient], object]) -> ResultReason | None:
    try:
        call(client)
    except KmipError as error:
        return error.reason
    return None


def assert_refused(daemon: Daemon, name: str = "acme-app") -> None:
    """A new connection is not served."""
    with pytest.raises(ConnectionFailed):
        ask(daemon, name)


def ask(daemon: Daemon, name: str) -> object:
    with connect(daemon, name) as client:
        return client.call(DiscoverVersionsRequest())


def create(client: SyncClient) -> object:
    return client.create()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    port = free_port()
    set_up(tmp_path / "dev", port, hsm=False)
    with serving(tmp_path / "dev", port) as running:
        yield running


def test_an_open_connection_has_its_new_rights_at_its_next_request(daemon: Daemon) -> None:
    with connect(daemon, "acme-audit") as client:
        connection = client._socket
        assert reason(client, create) == ResultReason.PERMISSION_DENIED
        places = apply(daemon, lambda d: acme(d)["clients"]["acme-audit"].update(roles=["owner"]))
        assert places == ["tenants.acme.clients.acme-audit.roles"]
        assert reason(client, create) is None
        apply(daemon, lambda d: acme(d)["roles"].update(owner=[{"operations": ["Locate", "Query"]}]))
        assert reason(client, create) == ResultReason.PERMISSION_DENIED
        assert reason(client, lambda c: c.locate()) is None
        assert client._socket is connection


def test_a_client_that_is_listed_no_more_is_closed_and_refused(daemon: Daemon) -> None:
    with connect(daemon, "acme-audit") as gone, connect(daemon) as stays:
        assert gone._socket is not None
        apply(daemon, lambda d: acme(d)["clients"].pop("acme-audit"))
        raw = gone._socket
        raw.settimeout(DEADLINE)
        assert raw.recv(1) == b""
        with pytest.raises(ConnectionFailed):
            gone.call(DiscoverVersionsRequest())
        assert stays.call(DiscoverVersionsRequest())
    assert "its certificate is no client's any more" in daemon.log.read_text()


def test_a_password_that_is_new_is_asked_for_on_open_connections(daemon: Daemon) -> None:
    def give(password: str) -> Change:
        hashed = hash_password(password.encode())
        return lambda d: acme(d)["clients"]["acme-app"].update(password=hashed)

    with connect(daemon) as without:
        assert reason(without, create) is None
        apply(daemon, give("first"))
        assert reason(without, create) == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL
    with connect(daemon, username="acme-app", password="first") as client:
        assert reason(client, create) is None
        apply(daemon, give("second"))
        assert reason(client, create) == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL


def test_a_renewed_certificate_is_told(daemon: Daemon) -> None:
    for file in ("server.pem", "server.key"):
        (daemon.directory / file).unlink()
    time.sleep(1.1)  # its dates are whole seconds
    set_up(daemon.directory, daemon.port, hsm=False)
    [said] = apply(daemon, lambda d: None)
    assert said.startswith("tls: the certificate is another, valid until 20")
    assert apply(daemon, lambda d: None) == []


def test_what_a_tenant_allows_changes(daemon: Daemon) -> None:
    def rsa(client: SyncClient) -> object:
        return client.create_key_pair(CryptographicAlgorithm.RSA, 2048)

    with connect(daemon) as client:
        assert reason(client, rsa) is None
        apply(daemon, lambda d: acme(d).update(algorithms={"AES": [256]}))
        assert reason(client, rsa) == ResultReason.PERMISSION_DENIED
        assert reason(client, lambda c: c.create(length=128)) == ResultReason.PERMISSION_DENIED
        apply(daemon, lambda d: acme(d).update(quotas={"objects": 0}))
        assert reason(client, create) is not None
        apply(daemon, lambda d: acme(d).update(quotas={"objects": 100}, key_service={"cmks": 0}))
        assert reason(client, create) is None
        assert reason(client, lambda c: c.create_cmk()) is not None
        apply(daemon, lambda d: acme(d).update(key_service={"cmks": 5}))
        assert reason(client, lambda c: c.create_cmk()) is None


def test_limits_hold_for_open_connections(daemon: Daemon) -> None:
    with connect(daemon) as client:
        assert len(client.batch([DiscoverVersionsRequest()] * 3)) == 3
        apply(daemon, lambda d: d.update(limits={"batch_items": 2}))
        assert (
            reason(client, lambda c: c.batch([DiscoverVersionsRequest()] * 3)[0].payload)
            == ResultReason.INVALID_MESSAGE
        )
        apply(daemon, lambda d: d.update(limits={"frame_size": 2048}))
        assert reason(client, lambda c: c.encrypt("none", bytes(4096))) == ResultReason.INVALID_MESSAGE
    apply(daemon, lambda d: d.update(limits={"connections_per_client": 1}))
    with connect(daemon) as client:
        assert client.call(DiscoverVersionsRequest())
        assert_refused(daemon)


def test_tenants_come_and_go_and_their_data_stays(daemon: Daemon) -> None:
    kept: dict[str, Any] = {}

    def add(document: dict[str, Any]) -> None:
        client = {"certificate": acme(document)["clients"].pop("acme-audit")["certificate"], "roles": ["all"]}
        roles = {"all": [{"operations": "*"}]}
        document["tenants"]["new"] = {"roles": roles, "clients": {"app": client}, "cmks": {"main": {}}}

    assert {"tenants.new", "tenants.new.cmks.main: create"} <= set(apply(daemon, add))
    with connect(daemon, "acme-audit") as client:
        uid = client.create(name="mine").unique_identifier
        client.activate(uid)
        secret = client.encrypt(uid, b"hello")
        assert client.describe_cmk("alias/main").metadata.key_state == "Enabled"
        apply(daemon, lambda d: kept.update(d["tenants"].pop("new")))
        with pytest.raises(ConnectionFailed):
            client.call(DiscoverVersionsRequest())
    assert_refused(daemon, "acme-audit")
    apply(daemon, lambda d: d["tenants"].update(new=kept))
    with connect(daemon, "acme-audit") as client:
        opened = client.decrypt(
            uid,
            secret.data,
            iv=secret.iv_counter_nonce,
            tag=secret.authenticated_encryption_tag,
        )
        assert opened.data == b"hello"


def test_what_needs_a_restart_is_named_and_nothing_else_changes(daemon: Daemon) -> None:
    def change(document: dict[str, Any]) -> None:
        document["listeners"][0]["port"] = free_port()
        document["store"]["sqlite"] = "credentials/../kmsd.db"
        document["limits"] = {"batch_items": 1}
        acme(document)["clients"].pop("acme-app")
        (daemon.directory / "credentials" / "root-key").write_bytes(os.urandom(32))

    with connect(daemon) as client:
        root = (daemon.directory / "credentials" / "root-key").read_bytes()
        assert refuse(daemon, change) == [
            "listeners: takes effect at a restart only",
            "store.sqlite: takes effect at a restart only",
            "software_root: the root key has changed, which takes effect at a restart only",
        ]
        (daemon.directory / "credentials" / "root-key").write_bytes(root)
        assert len(client.batch([DiscoverVersionsRequest()] * 3)) == 3
        assert reload(daemon).exit_code == 0


def test_what_is_wrong_is_said_with_its_line_and_nothing_changes(daemon: Daemon) -> None:
    def change(document: dict[str, Any]) -> None:
        acme(document)["clients"].pop("acme-app")
        acme(document)["clients"]["acme-audit"]["roles"] = ["nobody"]
        document["limits"] = {"batch_items": 0}

    with connect(daemon) as client:
        assert refuse(daemon, change) == [
            "tenants.acme.clients.acme-audit.roles[0]: the tenant has no role 'nobody'",
            "limits.batch_items: must be at least 1",
        ]
        assert reason(client, create) is None
        (daemon.directory / "kmsd.yaml").write_text("nonsense: [\n")
        assert reload(daemon).exit_code == 1
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: "not YAML" in daemon.log.read_text())
        assert reason(client, create) is None


def test_of_declared_keys_all_are_made_or_none(daemon: Daemon) -> None:
    aes = {"algorithm": "AES", "length": 256, "usage": ["Encrypt"]}
    pair = {"algorithm": "EC", "curve": "P_256", "usage": ["Sign", "Verify"]}
    apply(daemon, lambda d: acme(d).update(cmks={"main": {"spec": "AES_256"}}))
    with connect(daemon) as client:
        client.create(name="signer-public")

        def change(document: dict[str, Any]) -> None:
            acme(document).update(cmks={"main": {"spec": "EC_P256"}, "other": {}})
            acme(document)["keys"].update(fine=aes, signer=pair)
            acme(document)["clients"].pop("acme-audit")

        assert refuse(daemon, change) == [
            "tenants.acme.keys.signer: another object has the name 'signer-public'",
            "tenants.acme.cmks.main.usage: the key has ENCRYPT/DECRYPT and not SIGN/VERIFY, which never changes",
            "tenants.acme.cmks.main.spec: the key has AES_256 and not EC_P256, which never changes",
        ]
        assert not client.locate(name="fine").unique_identifiers
        assert reason(client, lambda c: c.describe_cmk("alias/other")) == ResultReason.ITEM_NOT_FOUND
        with connect(daemon, "acme-audit") as audit:
            assert reason(audit, lambda c: c.locate()) is None
        apply(daemon, lambda d: acme(d)["keys"].update(fine=aes))
        assert client.locate(name="fine").unique_identifiers


def test_what_became_of_declared_keys_is_said_in_the_words_of_the_plan(daemon: Daemon) -> None:
    aes: dict[str, Any] = {"algorithm": "AES", "length": 256, "usage": ["Encrypt"]}
    keys, cmks = "tenants.acme.keys", "tenants.acme.cmks"

    def planned(change: Change) -> list[str]:
        """What the plan says of the changed configuration and what the reload then says, which has the same words."""
        path = daemon.directory / "kmsd.yaml"
        document = yaml.safe_load(path.read_text())
        change(document)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        shown = CliRunner().invoke(main, ["plan", "--config", str(path)]).output
        lines = apply(daemon, lambda d: None)
        for line in lines:
            if line.startswith((keys, cmks)):
                place, _, kind = line.partition(": ")
                assert f" acme/{place.split('.')[3]}: {kind.partition(',')[0]}\n" in f"{shown}\n"
        return lines

    assert planned(lambda d: acme(d)["keys"].update(fine=aes)) == [f"{keys}.fine: create"]
    assert planned(lambda d: acme(d).update(cmks={"main": {}})) == [f"{cmks}.main: create"]
    assert planned(lambda d: acme(d)["cmks"]["main"].update(description="first")) == [
        f"{cmks}.main.description: change"
    ]
    assert planned(lambda d: acme(d)["keys"]["fine"].update(length=128)) == [
        f"{keys}.fine.length: impossible, the key that is there stays as it is"
    ]
    assert planned(lambda d: acme(d)["keys"]["fine"].update(length=256)) == [f"{keys}.fine.length: unchanged"]
    assert planned(lambda d: acme(d)["cmks"].pop("main")) == [f"{cmks}.main: kept"]
    with connect(daemon) as client:
        [uid] = client.locate(name="fine").unique_identifiers
        client.revoke(uid)
        client.destroy(uid)
        # Made anew, though the configuration has not changed.
        assert planned(lambda d: None) == [f"{keys}.fine: create"]
        assert client.locate(name="fine").unique_identifiers != [uid]


@pytest.mark.skipif(shutil.which("softhsm2-util") is None, reason="no SoftHSM on this machine")
def test_a_tenant_in_the_hsm_comes_with_a_reload_and_keeping_changes(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path / "dev", port, hsm=True)
    with serving(tmp_path / "dev", port) as daemon:

        def add(document: dict[str, Any]) -> None:
            bank = document["tenants"]["bank"]
            bank["keeping"] = "resident"
            client = {"certificate": acme(document)["clients"].pop("acme-audit")["certificate"], "roles": ["owner"]}
            document["tenants"]["new"] = {**bank, "clients": {"app": client}, "keeping": "wrapped"}

        apply(daemon, add)
        for name in ("bank-app", "acme-audit"):
            with connect(daemon, name) as client:
                uid = client.create().unique_identifier
                client.activate(uid)
                assert client.encrypt(uid, b"hello").data
        places = refuse(daemon, lambda d: d["tenants"]["new"].update(root="software", hsm="softhsm"))
        assert places == ["tenants.new.root: its data key is under the root 'softhsm', which never changes"]
        more = {"sessions": 4}
        assert refuse(daemon, lambda d: d["hsms"]["softhsm"].update(more)) == [
            "hsms.softhsm.sessions: takes effect at a restart only"
        ]
        (daemon.directory / "credentials" / "hsm-pin").write_text("another\n")
        assert refuse(daemon, lambda d: None) == [
            "hsms.softhsm.pin: the PIN has changed, which takes effect at a restart only"
        ]


def test_the_manager_hears_that_a_reload_begins_and_how_it_ended(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path / "dev", port, hsm=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE)
        with serving(tmp_path / "dev", port, {"NOTIFY_SOCKET": str(tmp_path / "notify")}) as daemon:
            assert manager.recv(4096) == b"READY=1"
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            assert refuse(daemon, lambda d: d.update(nonsense=1)) == ["nonsense: unknown option"]
            reloading, stamp = manager.recv(4096).decode().split("\n")
            assert reloading == "RELOADING=1"
            assert int(stamp.removeprefix("MONOTONIC_USEC=")) >= before
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096).startswith(b"STATUS=not reloaded: ")
            os.kill(daemon.pid, signal.SIGHUP)
            assert manager.recv(4096).startswith(b"RELOADING=1")
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096) == b"STATUS=reloaded, changes: 0"
        assert manager.recv(4096) == b"STOPPING=1"


def test_without_a_daemon_that_is_said(tmp_path: Path) -> None:
    set_up(tmp_path / "dev", free_port(), hsm=False)
    command = ["reload", "--config", str(tmp_path / "dev" / "kmsd.yaml")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 3
    assert "no daemon serves this configuration" in done.stderr
    # What a killed daemon leaves behind.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(control(tmp_path / "dev")))
    assert CliRunner().invoke(main, command).exit_code == 3


def control(directory: Path) -> Path:
    return socket_of(directory / "kmsd.db", directory / "kmsd.yaml")


def test_a_second_start_is_refused_and_takes_nothing_from_the_first(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path / "dev", port, hsm=False)
    with serving(tmp_path / "dev", port) as daemon:
        second = subprocess.run(
            [*KMSD, "serve", "--config", str(daemon.directory / "kmsd.yaml")],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1
        assert "another daemon serves this configuration" in second.stderr
        assert reload(daemon).exit_code == 0


def test_a_copy_of_the_configuration_is_not_what_is_served(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path / "dev", port, hsm=False)
    with serving(tmp_path / "dev", port) as daemon:
        copy = daemon.directory / "copy.yaml"
        copy.write_text((daemon.directory / "kmsd.yaml").read_text())
        done = CliRunner().invoke(main, ["reload", "--config", str(copy)])
        assert done.exit_code == 3
        assert "no daemon serves this configuration" in done.stderr


def test_the_control_socket_is_its_owners_alone_and_gone_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    directory = tmp_path / ("a-long-name-" * 8)
    set_up(directory, port, hsm=False)
    path = control(directory)
    with serving(directory, port) as daemon:
        assert path.stat().st_mode & 0o777 == 0o600
        assert reload(daemon).exit_code == 0
        # Who says something else is not answered, and keeps nobody from being served.
        with socket.socket(socket.AF_UNIX) as other:
            monkeypatch.chdir(directory)
            other.connect(path.name)
            other.sendall(b"stop")
            assert other.recv(100) == b""
        assert reload(daemon).exit_code == 0
    assert not path.exists()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
