from __future__ import annotations

import base64
import os
import pty
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsd.cli import main
from kmsd.cli.dev import hints
from kmsd.cli.key import COMMANDS
from tests.cli.conftest import Kmsd
from tests.daemon import KMSD, Daemon


def attributes(app: Kmsd, key: str) -> dict[str, Any]:
    shown: dict[str, Any] = app.json("key", "show", key)
    return shown


# ---- create -----------------------------------------------------------------------------------------------------
def test_the_lines_that_a_start_says_to_try_work_as_they_stand(hsm_daemon: Daemon) -> None:
    lines = hints(hsm_daemon.directory, hsm_daemon.port, hsm=True).splitlines()[1:]
    codes = []
    for line in lines:
        command, _, _ = line.partition("#")
        program, *arguments = command.split()
        assert program == "kmsd"
        codes.append(CliRunner().invoke(main, arguments).exit_code)
    assert codes == [0, 0, 1]


def test_a_new_key_is_active_and_fit_for_encryption(each: Kmsd) -> None:
    name = each.key()
    shown = attributes(each, name)
    assert shown["Name"] == [name]
    assert shown["State"] == "Active"
    assert (shown["Cryptographic Algorithm"], shown["Cryptographic Length"]) == ("AES", 256)
    assert shown["Cryptographic Usage Mask"] == ["Encrypt", "Decrypt"]


def test_a_key_can_wait_for_its_activation(app: Kmsd) -> None:
    name = app.key("--no-activate")
    assert attributes(app, name)["State"] == "PreActive"
    app.run("key", "activate", name)
    assert attributes(app, name)["State"] == "Active"


@pytest.mark.parametrize("version", ["1.0", "1.4", "2.1"])
@pytest.mark.parametrize(("protection", "level"), [("SOFTWARE", "Low"), ("hsm", "High")])
def test_protection_is_asked_for_in_every_version(
    hsm_daemon: Daemon, version: str, protection: str, level: str
) -> None:
    """Each with a client whose default is the other."""
    app = Kmsd(hsm_daemon, "acme-app" if level == "High" else "bank-app")
    name = app.key("--protection", protection, "--kmip", version)
    assert attributes(app, name)["Protection Level"] == level


def test_without_a_token_there_are_no_hsm_keys(app: Kmsd) -> None:
    assert "refused: " in app.refused("key", "create", "--protection", "HSM")


def test_algorithm_length_and_usage_are_asked_for_by_name(app: Kmsd) -> None:
    name = app.key("--algorithm", "hmac-sha384", "--length", 384)
    shown = attributes(app, name)
    assert (shown["Cryptographic Algorithm"], shown["Cryptographic Length"]) == ("HMAC_SHA384", 384)
    assert shown["Cryptographic Usage Mask"] == ["MACGenerate", "MACVerify"]
    name = app.key("--length", 128, "--usage", "wrapkey,unwrap-key")
    assert attributes(app, name)["Cryptographic Usage Mask"] == ["WrapKey", "UnwrapKey"]


@pytest.mark.parametrize(
    ("options", "length"),
    [
        (["--algorithm", "EC"], 256),
        (["--algorithm", "ec", "--curve", "P-384"], 384),
        (["--algorithm", "EC", "--length", 521], 521),
        (["--algorithm", "RSA", "--length", 2048], 2048),
    ],
)
def test_a_pair_has_two_names_and_shares_out_the_usage(each: Kmsd, options: list[Any], length: int) -> None:
    name = each.key(*options)
    private, public = attributes(each, name), attributes(each, f"{name}-public")
    assert (private["Object Type"], public["Object Type"]) == ("PrivateKey", "PublicKey")
    assert (private["State"], public["State"]) == ("Active", "Active")
    assert private["Cryptographic Length"] == public["Cryptographic Length"] == length
    assert (private["Cryptographic Usage Mask"], public["Cryptographic Usage Mask"]) == (["Sign"], ["Verify"])


def test_the_new_identifiers_are_in_json(app: Kmsd) -> None:
    name = Daemon.fresh_name()
    made = app.json("key", "create", "--name", name, "--no-activate")
    assert made == {"unique_identifier": made["unique_identifier"], "state": "PreActive", "name": name}
    made = app.json("key", "create", "--algorithm", "EC")
    assert set(made) == {"private_key_unique_identifier", "public_key_unique_identifier", "state"}


def test_a_reader_creates_nothing(audit: Kmsd) -> None:
    assert audit.refused("key", "create") == "Error: refused: Permission denied: not permitted: Create\n"


def test_a_name_is_taken_once(app: Kmsd) -> None:
    name = app.key()
    assert "in use" in app.refused("key", "create", "--name", name)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--algorithm", "AESS"], "did you mean AES?"),
        (["--usage", "Encrypt,Decrpt"], "did you mean Decrypt?"),
        (["--protection", "PAPER"], "'PAPER' is not one of"),
        (["--curve", "P-256"], "AES keys have no curve"),
        (["--kmip", "1.5"], "'1.5' is none of 2.1, 2.0, 1.4"),
        (["--server", "host:port:5696"], "is not HOST:PORT"),
        (["--server", "host:99999"], "is not HOST:PORT"),
        (["--client", "/nowhere/app"], "there is no /nowhere/app.pem"),
        (["--length", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2(app: Kmsd, options: list[str], says: str) -> None:
    assert says in app.run("key", "create", *options, code=2).stderr


def test_no_connection_exits_with_3(app: Kmsd, tmp_path: Path) -> None:
    assert "Connection refused" in app.run("key", "list", "--server", "127.0.0.1:1", code=3).stderr
    other_ca = app.daemon.certificate("acme-app")
    assert "no connection" in app.run("key", "list", "--ca", other_ca, code=3).stderr
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    assert str(broken) in app.run("key", "list", "--ca", broken, code=3).stderr


# ---- get --------------------------------------------------------------------------------------------------------
def test_a_key_comes_in_base64_hex_and_bytes(app: Kmsd, tmp_path: Path) -> None:
    name = app.key()
    value = base64.b64decode(app.run("key", "get", name).stdout)
    assert len(value) == 32
    assert bytes.fromhex(app.run("key", "get", name, "--encoding", "hex").stdout) == value
    assert app.run("key", "get", name, "--encoding", "raw").stdout_bytes == value
    shown = app.json("key", "get", name)
    assert base64.b64decode(shown.pop("value")) == value
    assert (shown["object_type"], shown["key_format_type"]) == ("SymmetricKey", "Raw")
    assert "no PEM" in app.run("key", "get", name, "--encoding", "pem", code=2).stderr


@pytest.mark.parametrize("there", [False, True])
def test_a_file_with_a_key_is_for_its_owner_only(app: Kmsd, tmp_path: Path, there: bool) -> None:
    name, path = app.key(), tmp_path / "key"
    if there:
        path.write_text("something longer than the key, for everybody to read " * 4)
        path.chmod(0o644)
    assert app.run("key", "get", name, "--output", path).stdout == ""
    assert path.read_text() == app.run("key", "get", name).stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written(app: Kmsd, tmp_path: Path) -> None:
    assert "No such file" in app.run("key", "get", app.key(), "-o", tmp_path / "no" / "file", code=2).stderr


@pytest.mark.parametrize(
    ("options", "private_type", "public_type"),
    [
        (["--algorithm", "RSA", "--length", 2048], rsa.RSAPrivateKey, rsa.RSAPublicKey),
        (["--algorithm", "EC"], ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey),
    ],
)
def test_a_pair_comes_in_pem_that_others_read(
    app: Kmsd, options: list[Any], private_type: type, public_type: type
) -> None:
    name = app.key(*options)
    private = serialization.load_pem_private_key(app.run("key", "get", name).stdout_bytes, None)
    public = serialization.load_pem_public_key(app.run("key", "get", f"{name}-public").stdout_bytes)
    assert isinstance(private, private_type)
    assert isinstance(public, public_type)
    assert private.public_key() == public


def test_another_format_of_a_private_key(app: Kmsd) -> None:
    name = app.key("--algorithm", "RSA", "--length", 2048)
    shown = app.run("key", "get", name, "--format", "PKCS_1").stdout
    assert shown.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert isinstance(serialization.load_pem_private_key(shown.encode(), None), rsa.RSAPrivateKey)
    assert "--format" in app.refused("key", "get", name, "--format", "TransparentRSAPrivateKey")


def test_an_hsm_key_is_not_fetched_but_its_public_key_is(bank: Kmsd) -> None:
    name = bank.key("--algorithm", "EC")
    assert bank.refused("key", "get", name) == "Error: refused: Not extractable: the key never leaves the HSM\n"
    assert bank.refused("key", "get", bank.key()).startswith("Error: refused: Not extractable")
    assert "BEGIN PUBLIC KEY" in bank.run("key", "get", f"{name}-public").stdout


def on_a_terminal(app: Kmsd, *arguments: str) -> tuple[int, str, str]:
    """(exit code, what the terminal shows, standard error) of a command whose standard output is a terminal."""
    leader, follower = pty.openpty()
    command = [*KMSD, *arguments, "--server", app.daemon.address, "--client", str(app.daemon.client(app.client))]
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        with os.fdopen(follower, "wb") as shown:
            done = subprocess.run(command, stdout=shown, stderr=subprocess.PIPE, text=True, check=False)
            shown.write(b"END")
        seen = b""
        while not seen.endswith(b"END"):
            seen += terminal.read(4096)
    return done.returncode, seen.removesuffix(b"END").decode().replace("\r\n", "\n"), done.stderr


@pytest.mark.parametrize("more", [(), ("--json",), ("--encoding", "raw")])
def test_a_secret_is_not_printed_on_a_terminal(app: Kmsd, more: tuple[str, ...]) -> None:
    code, shown, errors = on_a_terminal(app, "key", "get", app.key(), *more)
    assert (code, shown) == (2, "")
    assert "a secret is not printed on a terminal" in errors


def test_a_data_key_is_printed_on_a_terminal_by_those_who_insist(app: Kmsd) -> None:
    uid = app.json("cmk", "create")["unique_identifier"]
    code, shown, errors = on_a_terminal(app, "data-key", "generate", uid)
    assert (code, shown) == (2, "")
    assert "a secret is not printed on a terminal" in errors
    code, shown, _ = on_a_terminal(app, "data-key", "generate", uid, "--without-plaintext")
    assert code == 0
    assert "plaintext" not in shown
    code, shown, _ = on_a_terminal(app, "data-key", "generate", uid, "--show")
    assert code == 0
    assert "plaintext" in shown


def test_a_secret_is_printed_on_a_terminal_by_those_who_insist(app: Kmsd) -> None:
    name = app.key()
    assert on_a_terminal(app, "key", "get", name, "--show") == (0, app.run("key", "get", name).stdout, "")


def test_a_public_key_is_no_secret(app: Kmsd) -> None:
    code, shown, _ = on_a_terminal(app, "key", "get", f"{app.key('--algorithm', 'EC')}-public")
    assert code == 0
    assert "BEGIN PUBLIC KEY" in shown


# ---- list and show ----------------------------------------------------------------------------------------------
def test_keys_are_listed_newest_first(each: Kmsd) -> None:
    names = [each.key() for _ in range(3)]
    listed = each.json("key", "list", "--limit", 3)
    assert [row["name"] for row in listed] == [[name] for name in reversed(names)]
    assert listed[0]["protection_level"] == ("High" if each.client == "bank-app" else "Low")


def test_a_list_is_narrowed_down(app: Kmsd) -> None:
    name = app.key("--algorithm", "EC")
    [row] = app.json("key", "list", "--name", name)
    assert (row["object_type"], row["algorithm"], row["length"], row["state"]) == ("PrivateKey", "EC", 256, "Active")
    assert app.json("key", "list", "--name", name, "--type", "public-key") == []
    assert app.json("key", "list", "--name", name, "--state", "PreActive") == []
    assert app.json("key", "list", "--name", name, "--algorithm", "AES") == []
    newest, second = app.json("key", "list", "--limit", 2)
    assert app.json("key", "list", "--limit", 1, "--offset", 1) == [second]
    assert newest != second


def test_a_table_has_whole_names_and_says_what_it_left_out(app: Kmsd) -> None:
    name = app.key("--usage", "Encrypt") + "-" + "long" * 20
    uid = app.json("key", "create", "--name", name)["unique_identifier"]
    done = app.run("key", "list", "--limit", 1)
    head, row = done.stdout.splitlines()
    assert head.split("  ")[0] == "unique identifier"
    assert row.split()[:2] == [uid, name]
    assert done.stderr == "There are more: see --limit and --offset.\n"
    assert app.run("key", "list", "--name", name, "--limit", 1).stderr == ""


def test_a_name_cannot_write_on_the_terminal(app: Kmsd) -> None:
    name = f"\x1b]0;owned\x07[red]{Daemon.fresh_name()}"
    app.run("key", "create", "--name", name)
    for command in (("list", "--limit", 1), ("show", name)):
        shown = app.run("key", *command).stdout
        assert "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}[red]key-" in shown
        assert "\x1b" not in shown


def test_an_old_version_lists_too(app: Kmsd) -> None:
    name = app.key()
    [row] = app.json("key", "list", "--name", name, "--kmip", "1.0")
    assert (row["name"], row["algorithm"]) == ([name], "AES")
    assert "--offset needs KMIP 1.3" in app.run("key", "list", "--kmip", "1.2", "--offset", 1, code=2).stderr


def test_more_objects_than_go_into_one_batch_are_listed(app: Kmsd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmsd.cli.key.list._AT_A_TIME", 2)
    names = [app.key() for _ in range(5)]
    assert [row["name"] for row in app.json("key", "list", "--limit", 5)] == [[name] for name in reversed(names)]


def test_show_says_all_for_people_too(app: Kmsd) -> None:
    name = app.key()
    shown = app.run("key", "show", name).stdout
    lines = {line[:25].strip(): line[25:].strip() for line in shown.splitlines()}
    assert lines["Name"] == name
    assert lines["Cryptographic Usage Mask"] == "Encrypt, Decrypt"
    assert lines["Extractable"] == "yes"
    assert lines["Activation Date"].endswith("Z")


# ---- addressing -------------------------------------------------------------------------------------------------
def test_a_key_is_addressed_by_identifier_or_name(app: Kmsd) -> None:
    name = app.key()
    uid = attributes(app, name)["Unique Identifier"]
    assert attributes(app, uid) == attributes(app, name)


@pytest.mark.parametrize("command", ["get", "show", "activate", "revoke", "destroy"])
def test_a_key_that_is_not_there(app: Kmsd, command: str) -> None:
    assert app.refused("key", command, "nothing") == "Error: refused: Object not found: no object 'nothing'\n"


def test_the_keys_of_another_tenant_are_not_there(each: Kmsd) -> None:
    other = Kmsd(each.daemon, "bank-app" if each.client == "acme-app" else "acme-app")
    uid = attributes(each, each.key())["Unique Identifier"]
    assert other.refused("key", "show", uid) == f"Error: refused: Object not found: no object '{uid}'\n"


# ---- the end of a key -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reason", "state"), [("Superseded", "Deactivated"), ("key-compromise", "Compromised"), (None, "Deactivated")]
)
def test_a_revoked_key_says_why(each: Kmsd, reason: str | None, state: str) -> None:
    name = each.key()
    options = () if reason is None else ("--reason", reason)
    done = each.json("key", "revoke", name, *options, "--message", "as agreed")
    shown = attributes(each, name)
    assert done["state"] == shown["State"] == state
    assert shown["Revocation Reason"]["revocation_message"] == "as agreed"


def test_an_active_key_is_not_destroyed(each: Kmsd) -> None:
    assert "the object is Active" in each.refused("key", "destroy", each.key(), "--yes")


def test_a_destroyed_key_is_gone(each: Kmsd) -> None:
    name = each.key("--no-activate")
    uid = attributes(each, name)["Unique Identifier"]
    assert each.json("key", "destroy", name, "--yes") == {"unique_identifier": uid, "state": "Destroyed"}
    assert attributes(each, uid)["State"] == "Destroyed"
    assert "Object destroyed" in each.refused("key", "get", uid)
    assert each.json("key", "list", "--name", name) == []


def test_destroying_asks_first(app: Kmsd) -> None:
    name = app.key("--no-activate")
    uid = attributes(app, name)["Unique Identifier"]
    for answer in ("n\n", ""):
        done = app.run("key", "destroy", name, code=1, stdin=answer)
        assert f"Destroy {uid} ({name}), PreActive? [y/N]" in done.stderr
        assert attributes(app, name)["State"] == "PreActive"
    app.run("key", "destroy", name, stdin="y\n")
    assert attributes(app, uid)["State"] == "Destroyed"


@pytest.mark.parametrize("command", ["activate", "revoke", "destroy"])
def test_a_reader_changes_nothing(app: Kmsd, audit: Kmsd, command: str) -> None:
    name = app.key("--no-activate")
    before = attributes(audit, name)
    assert "not permitted" in audit.refused("key", command, name, *(["--yes"] if command == "destroy" else []))
    assert attributes(audit, name) == before


# ---- the command line itself ------------------------------------------------------------------------------------
def test_each_command_has_its_own_help() -> None:
    for name in COMMANDS:
        done = CliRunner().invoke(main, ["key", name, "--help"])
        assert done.exit_code == 0
        assert "KMSD_CLIENT" in done.stdout
    assert all(name in CliRunner().invoke(main, ["key", "--help"]).stdout for name in COMMANDS)


def test_a_client_is_needed() -> None:
    done = CliRunner().invoke(main, ["key", "list"], env={"KMSD_CLIENT": None})
    assert done.exit_code == 2
    assert "Missing option '--client'" in done.stderr
