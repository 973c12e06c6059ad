"""`kmsd encrypt`, `decrypt`, `sign` and `verify` on a real daemon, with both protections."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kmsd.cli.ciphertext import Ciphertext
from tests.cli.conftest import Kmsd
from tests.cli.test_key import on_a_terminal
from tests.daemon import free_port, serving, set_up

SECRET = bytes(range(256)) * 5


def test_decrypt_needs_nothing_but_the_file(each: Kmsd) -> None:
    made = each.run("encrypt", each.key(), stdin=SECRET).stdout_bytes
    assert SECRET not in made
    assert each.run("decrypt", stdin=made).stdout_bytes == SECRET


def test_files_go_in_and_out(each: Kmsd, tmp_path: Path) -> None:
    plain, sealed, back = (tmp_path / name for name in ("plain", "sealed", "back"))
    plain.write_bytes(SECRET)
    each.run("encrypt", each.key(), plain, "-o", sealed)
    each.run("decrypt", sealed, "-o", back)
    assert back.read_bytes() == SECRET
    assert stat.S_IMODE(back.stat().st_mode) == 0o600


def test_base64_is_for_people_and_decrypt_knows_it(app: Kmsd) -> None:
    made = app.run("encrypt", app.key(), "--base64", stdin="hello\n").stdout
    assert made.isascii()
    assert app.run("decrypt", stdin=made).stdout == "hello\n"


def test_nothing_is_something_to_encrypt(each: Kmsd) -> None:
    made = each.run("encrypt", each.key(), stdin=b"").stdout_bytes
    assert each.run("decrypt", stdin=made).stdout_bytes == b""


def test_json(app: Kmsd) -> None:
    name = app.key()
    made = app.json("encrypt", name, stdin="hello")
    sealed = base64.b64decode(made["ciphertext"])
    assert Ciphertext.parse(sealed).unique_identifier == made["unique_identifier"]
    opened = app.json("decrypt", stdin=sealed)
    assert opened == {"unique_identifier": made["unique_identifier"], "data": base64.b64encode(b"hello").decode()}


def test_what_a_public_key_encrypts_its_private_key_decrypts(app: Kmsd) -> None:
    name = app.key("--algorithm", "RSA", "--length", 2048, "--usage", "Encrypt,Decrypt")
    made = app.run("encrypt", f"{name}-public", stdin="hello").stdout_bytes
    assert app.run("decrypt", stdin=made).stdout == "hello"


def test_nothing_is_encrypted_that_the_token_could_not_decrypt(bank: Kmsd) -> None:
    """Without parameters RSA is OAEP with SHA-256, which SoftHSM 2.6 lacks."""
    name = bank.key("--algorithm", "RSA", "--length", 2048, "--usage", "Encrypt,Decrypt")
    done = bank.invoke("encrypt", f"{name}-public", stdin="hello")
    if done.exit_code == 0:
        assert bank.run("decrypt", stdin=done.stdout_bytes).stdout == "hello"
    else:
        assert done.stderr.startswith("Error: refused: Unsupported cryptographic parameters")


def test_what_was_changed_is_refused(each: Kmsd) -> None:
    made = bytearray(each.run("encrypt", each.key(), stdin=SECRET).stdout_bytes)
    made[-1] ^= 1
    assert "Cryptographic failure" in each.refused("decrypt", stdin=bytes(made))


def test_the_ciphertext_of_another_tenant_is_refused(each: Kmsd) -> None:
    other = Kmsd(each.daemon, "bank-app" if each.client == "acme-app" else "acme-app")
    made = each.run("encrypt", each.key(), stdin=SECRET).stdout_bytes
    assert "Object not found" in other.refused("decrypt", stdin=made)


def test_a_reader_may_not(app: Kmsd, audit: Kmsd) -> None:
    name = app.key()
    assert "not permitted: Encrypt" in audit.refused("encrypt", name, stdin="hello")
    made = app.run("encrypt", name, stdin="hello").stdout_bytes
    assert "not permitted: Decrypt" in audit.refused("decrypt", stdin=made)


def test_a_deactivated_key_decrypts_but_does_not_encrypt(each: Kmsd) -> None:
    name = each.key()
    made = each.run("encrypt", name, stdin="hello").stdout_bytes
    each.run("key", "revoke", name)
    assert "Wrong key lifecycle state" in each.refused("encrypt", name, stdin="hello")
    assert each.run("decrypt", stdin=made).stdout == "hello"


def test_a_key_of_another_usage_is_refused(each: Kmsd) -> None:
    name = each.key("--usage", "WrapKey")
    assert "Incompatible cryptographic usage mask" in each.refused("encrypt", name, stdin="hello")


@pytest.mark.parametrize("given", [b"", b"nothing of ours", b"a21zZA", b"kmsd\x01\x05abc"])
def test_what_is_no_ciphertext_is_wrong_usage(app: Kmsd, given: bytes) -> None:
    assert "Error: " in app.run("decrypt", stdin=given, code=2).stderr


def test_old_versions_of_kmip_are_not_enough(app: Kmsd) -> None:
    assert "needs KMIP 1.4" in app.run("encrypt", app.key(), "--kmip", "1.3", stdin="x", code=2).stderr


def test_bytes_are_not_written_to_a_terminal(app: Kmsd, tmp_path: Path) -> None:
    source = tmp_path / "plain"
    source.write_text("hello")
    code, shown, errors = on_a_terminal(app, "encrypt", app.key(), str(source))
    assert (code, shown) == (2, "")
    assert "--base64" in errors
    assert on_a_terminal(app, "encrypt", app.key(), str(source), "--base64")[0] == 0


# ---- signatures -------------------------------------------------------------------------------------------------
SCHEMES = {
    "ECDSA": (["--algorithm", "EC"], []),
    "ECDSA P-384 with SHA-384": (["--algorithm", "EC", "--curve", "P-384"], ["--hash", "sha-384"]),
    "PKCS#1": (["--algorithm", "RSA", "--length", 2048], []),
    "PSS with SHA-512": (["--algorithm", "RSA", "--length", 2048], ["--padding", "pss", "--hash", "SHA-512"]),
}


@pytest.mark.parametrize("version", ["1.2", "2.1"])
@pytest.mark.parametrize(("key", "scheme"), SCHEMES.values(), ids=SCHEMES)
def test_a_signature_verifies(each: Kmsd, tmp_path: Path, key: list[str], scheme: list[str], version: str) -> None:
    name, document, signature = each.key(*key), tmp_path / "document", tmp_path / "signature"
    document.write_bytes(SECRET)
    each.run("sign", name, document, "-o", signature, *scheme, "--kmip", version)
    verify = ("verify", f"{name}-public", document, "--signature", signature, *scheme)
    assert each.json(*verify, "--kmip", version)["valid"] is True
    document.write_bytes(SECRET + b"!")
    assert each.refused(*verify, "--kmip", version) == "Error: the signature is not valid\n"


def test_a_signature_is_one_for_others_too(app: Kmsd) -> None:
    name = app.key("--algorithm", "EC")
    signature = app.run("sign", name, stdin=SECRET).stdout_bytes
    public = serialization.load_pem_public_key(app.run("key", "get", f"{name}-public").stdout_bytes)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, SECRET, ec.ECDSA(hashes.SHA256()))


def test_documents_are_signed_that_no_request_could_carry(app: Kmsd, tmp_path: Path) -> None:
    name, signature = app.key("--algorithm", "EC"), tmp_path / "signature"
    app.run("sign", name, "-o", signature, stdin=bytes(3 << 20))
    assert "yes" in app.run("verify", f"{name}-public", "--signature", signature, stdin=bytes(3 << 20)).stdout


@pytest.fixture
def app_of_all(tmp_path: Path) -> Iterator[Kmsd]:
    """A client whose tenant allows algorithms that are not allowed unless they are listed."""
    directory, port = tmp_path / "dev", free_port()
    set_up(directory, port, hsm=False)
    configuration = directory / "kmsd.yaml"
    algorithms = '\n    algorithms: {AES: "*", SM2: "*", Ed25519: "*"}\n    roles:'
    configuration.write_text(configuration.read_text().replace("\n    roles:", algorithms, 1))
    with serving(directory, port) as daemon:
        yield Kmsd(daemon, "acme-app")


def test_keys_that_hash_the_data_themselves_get_the_data(app_of_all: Kmsd, tmp_path: Path) -> None:
    signature = tmp_path / "signature"
    for algorithm in ("Ed25519", "SM2"):
        name = app_of_all.key("--algorithm", algorithm)
        app_of_all.run("sign", name, "-o", signature, stdin="hello")
        verify = ("verify", f"{name}-public", "--signature", signature)
        assert "yes" in app_of_all.run(*verify, stdin="hello").stdout
        assert "not valid" in app_of_all.refused(*verify, stdin="goodbye")
        assert "at most 1048576 are allowed" in app_of_all.refused("sign", name, stdin=bytes(1 << 20))
        assert "at most 16 MiB" in app_of_all.run("sign", name, stdin=bytes((16 << 20) + 1), code=2).stderr


def test_a_signature_in_base64(app: Kmsd, tmp_path: Path) -> None:
    name, signature = app.key("--algorithm", "EC"), tmp_path / "signature"
    app.run("sign", name, "--base64", "-o", signature, stdin="hello")
    verify = ("verify", f"{name}-public", "--base64", "--signature", signature)
    assert "yes" in app.run(*verify, stdin="hello").stdout
    signature.write_text("*")
    assert "not in base64" in app.run(*verify, stdin="hello", code=2).stderr


def test_an_invalid_signature_exits_with_1_in_json_too(app: Kmsd, tmp_path: Path) -> None:
    name, signature = app.key("--algorithm", "EC"), tmp_path / "signature"
    made = app.json("sign", name, stdin="hello")
    signature.write_bytes(base64.b64decode(made["signature"]))
    done = app.run("verify", f"{name}-public", "--signature", signature, "--json", stdin="goodbye", code=1)
    assert '"valid": false' in done.stdout


def test_a_secret_key_does_not_sign(app: Kmsd) -> None:
    assert "refused: " in app.refused("sign", app.key(), stdin="hello")
