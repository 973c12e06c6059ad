"""PKCS#12 containers: what others write is read, what is written others read, and nobody makes it work for hours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES, serialize_key_and_certificates

from kmsd.crypto.containers import make_container, open_container
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError
from tests.crypto.test_chains import KEYS, LEAF, MIDDLE, ROOT

PASSWORD = b"correct horse"
KEY = KEYS["leaf"].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
CHAIN = (LEAF, MIDDLE, ROOT)


def others(iterations: int = 1000) -> bytes:
    """A container of ours with the issuers in the wrong order."""
    certificates = [x509.load_der_x509_certificate(value) for value in CHAIN]
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(iterations)
        .key_cert_algorithm(PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(PASSWORD)
    )
    return serialize_key_and_certificates(
        b"Leaf", KEYS["leaf"], certificates[0], [certificates[2], certificates[1]], encryption
    )


def test_a_container_gives_the_key_and_its_chain_in_order() -> None:
    found = open_container(others(), PASSWORD, "leaf")
    assert (found.private_key, found.certificates, found.friendly_name) == (KEY, CHAIN, "Leaf")


def test_what_is_made_is_read_again() -> None:
    found = open_container(make_container(KEY, CHAIN, "alias", PASSWORD), PASSWORD, None)
    assert (found.private_key, found.certificates, found.friendly_name) == (KEY, CHAIN, "alias")
    alone = open_container(make_container(KEY, (), "alias", PASSWORD), PASSWORD, None)
    assert (alone.private_key, alone.certificates) == (KEY, ())


def test_openssl_reads_what_is_made(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl")
    path = tmp_path / "container"
    path.write_bytes(make_container(KEY, CHAIN, "alias", PASSWORD))
    command = [openssl, "pkcs12", "-in", str(path), "-passin", f"pass:{PASSWORD.decode()}", "-nodes"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("BEGIN CERTIFICATE") == 3
    assert "friendlyName: alias" in shown


@pytest.mark.parametrize(
    ("data", "password", "name"),
    [
        (others(), b"another", None),
        (others(), PASSWORD, "another"),
        (others()[:-1], PASSWORD, None),
        (b"", PASSWORD, None),
        (KEY, PASSWORD, None),
        (b"\x24\x80" * 2000, PASSWORD, None),
        (b"\x30\x02" * 100, PASSWORD, None),
        (others(2_000_001), PASSWORD, None),
    ],
    ids=["password", "name", "cut", "empty", "no container", "indefinite", "deep", "iterations"],
)
def test_what_does_not_open_is_refused(data: bytes, password: bytes, name: str | None) -> None:
    with pytest.raises(KeyMaterialError):
        open_container(data, password, name)


def test_a_container_without_a_key_is_refused() -> None:
    certificate = x509.load_der_x509_certificate(LEAF)
    data = serialize_key_and_certificates(None, None, certificate, None, BestAvailableEncryption(PASSWORD))
    with pytest.raises(KeyMaterialError, match="no private key"):
        open_container(data, PASSWORD, None)


def test_what_no_container_holds_is_not_made() -> None:
    other = x25519.X25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnsupportedError):
        make_container(other, (), "alias", PASSWORD)
    with pytest.raises(KeyMaterialError):
        make_container(KEY, (), "alias", b"")
