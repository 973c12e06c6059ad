"""The commands of the key service against a real daemon."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from kmsd.cli import main, progress
from kmsd.cli.key_values import Date, Duration, Pair, mapping, public_key_der
from tests.cli.conftest import Kmsd
from tests.daemon import KMSD, Daemon


def fresh_alias() -> str:
    return f"alias/{Daemon.fresh_name()}"


def created(app: Kmsd, *options: Any) -> dict[str, Any]:
    made: dict[str, Any] = app.json("cmk", "create", *options)
    return made


# ---- CMKs -------------------------------------------------------------------------------------------------------
def test_a_cmk_is_what_was_asked_for(app: Kmsd) -> None:
    alias = fresh_alias()
    made = created(
        app,
        "--spec",
        "aes_128",
        "--alias",
        alias,
        "--tag",
        "team=blue",
        "--description",
        "mine",
        "--rotate-every",
        "30d",
    )
    assert made["spec"] == "AES_128"
    assert (made["aliases"], made["tags"], made["description"]) == ([alias], {"team": "blue"}, "mine")
    assert (made["rotation"], made["rotation_interval"]) == ("Enabled", 30 * 86400)
    assert app.json("cmk", "show", alias) == made
    assert alias in app.run("cmk", "show", alias).stdout


def test_cmks_are_listed_by_what_they_are(app: Kmsd) -> None:
    tag = Daemon.fresh_name()
    one, other = (created(app, "--tag", f"list={tag}", "--spec", spec) for spec in ("AES_256", "RSA_2048"))
    listed = app.json("cmk", "list", "--tag", f"list={tag}")
    assert [row["unique_identifier"] for row in listed["keys"]] == [
        other["unique_identifier"],
        one["unique_identifier"],
    ]
    narrow = app.json("cmk", "list", "--tag", f"list={tag}", "--spec", "RSA_2048", "--state", "enabled")
    assert [row["unique_identifier"] for row in narrow["keys"]] == [other["unique_identifier"]]
    page = app.run("cmk", "list", "--tag", f"list={tag}", "--limit", "1")
    assert other["unique_identifier"] in page.stdout
    assert one["unique_identifier"] not in page.stdout
    assert "There are 2" in page.stderr


def test_a_cmk_is_disabled_enabled_protected_and_deleted(app: Kmsd) -> None:
    uid = created(app)["unique_identifier"]
    app.run("cmk", "disable", uid)
    assert app.json("cmk", "show", uid)["state"] == "Disabled"
    assert "disabled" in app.refused("cmk", "encrypt", uid, stdin=b"secret")
    app.run("cmk", "enable", uid)
    app.run("cmk", "protect", uid, "--reason", "precious")
    assert "refused" in app.refused("cmk", "delete", uid, "--days", 7, "--yes")
    app.run("cmk", "protect", uid, "--off")
    assert "deletion_date" in app.json("cmk", "delete", uid, "--days", 7, "--yes")
    assert app.json("cmk", "show", uid)["state"] == "PendingDeletion"
    app.run("cmk", "keep", uid)
    assert app.json("cmk", "show", uid)["state"] == "Enabled"
    assert app.run("cmk", "delete", uid, "--days", 7, code=1, stdin="n\n").exit_code == 1


def test_descriptions_and_tags_change(app: Kmsd) -> None:
    uid = created(app)["unique_identifier"]
    app.run("cmk", "describe", uid, "another")
    app.run("cmk", "tag", uid, "a=1", "b=2")
    app.run("cmk", "untag", uid, "a")
    shown = app.json("cmk", "show", uid)
    assert (shown["description"], shown["tags"]) == ("another", {"b": "2"})
    app.run("cmk", "untag", uid, code=2)
    app.run("cmk", "untag", uid, "--all")
    assert "tags" not in app.json("cmk", "show", uid)


def test_aliases_move(app: Kmsd) -> None:
    one, other = (created(app)["unique_identifier"] for _ in range(2))
    alias = fresh_alias()
    app.run("alias", "create", alias, one)
    made = app.run("cmk", "encrypt", alias, "--base64", stdin=b"secret").stdout
    app.run("alias", "update", alias, other)
    assert app.json("cmk", "show", alias)["unique_identifier"] == other
    assert app.json("alias", "list", other)["aliases"] == [{"alias": alias, "unique_identifier": other}]
    assert alias in app.run("alias", "list", other).stdout
    assert app.run("cmk", "decrypt", stdin=made).stdout == "secret"
    app.run("alias", "delete", alias)
    assert "refused" in app.refused("cmk", "show", alias)


def test_rotation(app: Kmsd) -> None:
    uid = created(app)["unique_identifier"]
    made = app.run("cmk", "encrypt", uid, "--base64", stdin=b"secret").stdout
    assert app.json("rotation", "now", uid)["number"] == 2
    versions = app.json("cmk", "versions", uid)
    assert [version["number"] for version in versions["versions"]] == [2, 1]
    assert "2" in app.run("cmk", "versions", uid).stdout
    assert app.run("cmk", "decrypt", stdin=made).stdout == "secret"
    app.run("rotation", "disable-version", uid, 1)
    assert "disabled" in app.refused("cmk", "decrypt", stdin=made)
    app.run("rotation", "enable-version", uid, 1)
    app.run("rotation", "minimum", uid, 2)
    assert "minimum" in app.refused("cmk", "decrypt", stdin=made)
    assert app.json("rotation", "policy", uid, "--every", "7d")["automatic"] is True
    assert app.json("rotation", "policy", uid, "--off")["automatic"] is False
    app.run("rotation", "policy", uid, code=2)
    assert "refused" in app.refused("rotation", "policy", uid, "--every", "6d")


# ---- ciphertexts and data keys ----------------------------------------------------------------------------------
def test_a_file_is_encrypted_with_its_context(app: Kmsd, tmp_path: Path) -> None:
    uid = created(app)["unique_identifier"]
    sealed, opened = tmp_path / "sealed", tmp_path / "opened"
    plain = os.urandom(6144)
    app.run("cmk", "encrypt", uid, "-o", sealed, "--context", "a=1", "--context", "b=2", stdin=plain)
    assert sealed.stat().st_size == 6144 + 46
    app.run("cmk", "decrypt", sealed, "-o", opened, "--context", "b=2", "--context", "a=1", "--key", uid)
    assert opened.read_bytes() == plain
    assert stat.S_IMODE(opened.stat().st_mode) == 0o600
    assert "ryptographic failure" in app.refused("cmk", "decrypt", sealed)
    assert "refused" in app.refused("cmk", "encrypt", uid, stdin=plain + b"1")
    app.run("cmk", "encrypt", uid, "--context", "a=1", "--context", "a=1", code=2, stdin=b"1")
    app.run("cmk", "encrypt", uid, "--context", "a", code=2, stdin=b"1")


def test_ciphertexts_come_in_json_and_in_base64(app: Kmsd) -> None:
    uid = created(app)["unique_identifier"]
    made = app.json("cmk", "encrypt", uid, stdin=b"secret")
    assert made["cmk"] == uid
    opened = app.json("cmk", "decrypt", stdin=made["ciphertext"])
    assert base64.b64decode(opened["data"]) == b"secret"
    assert "refused" in app.refused("cmk", "decrypt", stdin=b"nothing of the kind")


def test_a_ciphertext_moves_to_another_key(app: Kmsd) -> None:
    one, other = (created(app)["unique_identifier"] for _ in range(2))
    made = app.run("cmk", "encrypt", one, "--base64", "--context", "a=1", stdin=b"secret").stdout
    moved = app.json("re-encrypt", "--to", other, "--context", "a=1", "--to-context", "b=2", stdin=made)
    assert moved["cmk"] == other
    assert app.run("cmk", "decrypt", "--context", "b=2", stdin=moved["ciphertext"]).stdout == "secret"
    again = app.run("re-encrypt", "--to", one, "--context", "b=2", "--base64", stdin=moved["ciphertext"]).stdout
    assert app.run("cmk", "decrypt", stdin=again).stdout == "secret"


def test_data_keys(app: Kmsd, tmp_path: Path) -> None:
    uid = created(app)["unique_identifier"]
    made = app.json("data-key", "generate", uid, "--bytes", 16, "--context", "a=1")
    plain = base64.b64decode(made["plaintext"])
    assert len(plain) == 16
    opened = app.json("cmk", "decrypt", "--context", "a=1", stdin=made["ciphertext"])
    assert base64.b64decode(opened["data"]) == plain
    files = tmp_path / "sealed", tmp_path / "plain"
    said = app.json("data-key", "generate", uid, "-o", files[0], "--plaintext", files[1])
    assert not {"plaintext", "ciphertext"} & set(said)
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    app.run("cmk", "decrypt", files[0], "-o", tmp_path / "opened")
    assert (tmp_path / "opened").read_bytes() == files[1].read_bytes()
    alone = app.json("data-key", "generate", uid, "--without-plaintext")
    assert "plaintext" not in alone
    app.run("data-key", "generate", uid, "--without-plaintext", "--plaintext", files[1], code=2)
    assert "refused" in app.refused("data-key", "generate", uid, "--bytes", 1025)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_data_key_is_handed_on_under_a_public_key(app: Kmsd, tmp_path: Path, encoding: Encoding) -> None:
    uid = created(app)["unique_identifier"]
    key = rsa.generate_private_key(65537, 2048)
    public = tmp_path / "public"
    public.write_bytes(key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo))
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    made = app.json("data-key", "generate-export", uid, "--public-key", public)
    plain = key.decrypt(base64.b64decode(made["exported_data_key"]), oaep)
    assert base64.b64decode(app.json("cmk", "decrypt", stdin=made["ciphertext"])["data"]) == plain
    again = app.json("data-key", "export", "--public-key", public, stdin=made["ciphertext"])
    assert key.decrypt(base64.b64decode(again["exported_data_key"]), oaep) == plain
    app.run("data-key", "export", "--public-key", public, "-o", tmp_path / "exported", stdin=made["ciphertext"])
    assert key.decrypt((tmp_path / "exported").read_bytes(), oaep) == plain


def test_a_public_key_is_written_in_pem(app: Kmsd, tmp_path: Path) -> None:
    alias = fresh_alias()
    uid = created(app, "--spec", "EC_P256", "--alias", alias)["unique_identifier"]
    shown = app.run("cmk", "public-key", uid).stdout
    assert isinstance(load_pem_public_key(shown.encode()), ec.EllipticCurvePublicKey)
    app.run("cmk", "public-key", uid, "-o", tmp_path / "public.pem")
    assert (tmp_path / "public.pem").read_text() == shown
    assert app.json("cmk", "public-key", uid)["public_key"] == shown
    # `kmsd sign` and `kmsd verify` take a CMK too.
    (tmp_path / "text").write_bytes(b"text")
    app.run("sign", alias, tmp_path / "text", "-o", tmp_path / "signature")
    app.run("verify", alias, tmp_path / "text", "--signature", tmp_path / "signature")


def test_encrypt_and_decrypt_take_an_alias(app: Kmsd) -> None:
    alias = fresh_alias()
    uid = created(app, "--alias", alias)["unique_identifier"]
    made = app.run("encrypt", alias, "--base64", stdin=b"secret").stdout
    app.run("rotation", "now", uid)
    assert app.run("decrypt", stdin=made).stdout == "secret"


# ---- imported material ------------------------------------------------------------------------------------------
def test_a_symmetric_key_is_brought_in_one_step(app: Kmsd, tmp_path: Path) -> None:
    uid = created(app, "--origin", "EXTERNAL")["unique_identifier"]
    file = tmp_path / "key"
    file.write_bytes(os.urandom(32))
    done = app.json("import", "key", uid, file, "--expires", "2099-01-01", "--wrapping-key", "RSA_2048")
    assert (done["unique_identifier"], done["material_expires"]) == (uid, "2099-01-01T00:00:00Z")
    assert app.json("cmk", "show", uid)["state"] == "Enabled"
    app.run("import", "delete", uid, "--yes")
    assert app.json("cmk", "show", uid)["state"] == "PendingImport"
    other = tmp_path / "other"
    other.write_bytes(os.urandom(32))
    assert "refused" in app.refused("import", "key", uid, other, "--wrapping-key", "RSA_2048")
    for algorithm in (
        "RSA_AES_KEY_WRAP_SHA_256",
        "RSAES_OAEP_SHA_1",
        "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD",
    ):
        app.run("import", "key", uid, file, "--algorithm", algorithm, "--wrapping-key", "RSA_2048")
    assert "does not allow" in app.refused("import", "key", uid, file, "--algorithm", "RSAES_PKCS1_V1_5")
    too_long = tmp_path / "long"
    too_long.write_bytes(bytes(1000))
    app.run("import", "key", uid, too_long, "--wrapping-key", "RSA_2048", code=2)


def test_a_private_key_is_brought_in_one_step(app: Kmsd, tmp_path: Path) -> None:
    uid = created(app, "--spec", "EC_P256", "--origin", "EXTERNAL")["unique_identifier"]
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    app.run("import", "key", uid, file, "--wrapping-key", "RSA_2048")
    shown = load_pem_public_key(app.run("cmk", "public-key", uid).stdout.encode())
    assert shown == key.public_key()
    file.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    app.run("import", "key", uid, file, code=2)


def test_material_is_brought_into_an_hsm_with_what_it_offers(hsm_daemon: Daemon, tmp_path: Path) -> None:
    bank = Kmsd(hsm_daemon, "bank-app")
    made = created(bank, "--origin", "EXTERNAL")
    assert made["protection"] == "HSM"
    (tmp_path / "key").write_bytes(os.urandom(32))
    bank.run("import", "key", made["unique_identifier"], tmp_path / "key", "--wrapping-key", "RSA_2048")
    assert bank.json("cmk", "show", made["unique_identifier"])["state"] == "Enabled"


def test_material_that_is_wrapped_elsewhere_is_brought(app: Kmsd, tmp_path: Path) -> None:
    uid = created(app, "--origin", "EXTERNAL")["unique_identifier"]
    asked = ("import", "parameters", uid, "--algorithm", "RSAES_OAEP_SHA_256", "--wrapping-key", "RSA_2048")
    given = app.json(*asked, "-o", tmp_path / "public.der")
    public = load_der_public_key((tmp_path / "public.der").read_bytes())
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    (tmp_path / "wrapped").write_bytes(public.encrypt(bytes(32), oaep))
    app.run("import", "material", uid, tmp_path / "wrapped", "--token", given["import_token"])
    assert "token" in app.refused("import", "material", uid, tmp_path / "wrapped", "--token", given["import_token"])
    assert "public_key" in app.json(*asked)


# ---- the rest ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_KMSD_COMPLETE" in done.stdout


def test_commands_are_completed() -> None:
    environment = {**os.environ, "COMP_WORDS": "kmsd rotation m", "COMP_CWORD": "2", "_KMSD_COMPLETE": "bash_complete"}
    program = (KMSD[0], "-c", "from kmsd.cli import main; main(prog_name='kmsd')")
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,minimum"]


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604800), ("1h", 3600), ("2m", 120), ("0s", 0)])
def test_durations(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Duration(), "7"), (Duration(), "d"), (Duration(), "1w"), (Date(), "tomorrow"), (Pair(), "a")],
)
def test_what_is_none_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_dates_are_utc_unless_they_say_otherwise() -> None:
    assert Date().convert("1970-01-02", None, None) == 86400
    assert Date().convert("1970-01-02T01:00:00+01:00", None, None) == 86400


def test_a_name_is_given_once() -> None:
    assert mapping([("a", "1"), ("b", "=")], "tag") == {"a": "1", "b": "="}
    with pytest.raises(click.UsageError):
        mapping([("a", "1"), ("a", "2")], "tag")


@pytest.mark.parametrize(
    "file", [b"-----BEGIN PUBLIC KEY-----", b"-----BEGIN PUBLIC KEY-----A-----END PUBLIC KEY-----"]
)
def test_a_damaged_public_key_is_refused(file: bytes) -> None:
    with pytest.raises(click.UsageError):
        public_key_der(file)


def test_a_file_is_read_whole_with_and_without_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 * progress.CHUNK + 1))
    with path.open("rb") as file, progress.chunks(file, "Reading") as pieces:
        assert b"".join(pieces) == path.read_bytes()
    monkeypatch.setattr(progress, "LONG", 1)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with path.open("rb") as file, progress.chunks(file, "Reading", file.read(10)) as pieces:
        assert b"".join(pieces) == path.read_bytes()
