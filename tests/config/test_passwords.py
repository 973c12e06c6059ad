from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kmsd.config.passwords import PasswordHash, hash_password


def bare(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def test_a_password_that_was_hashed_verifies_and_no_other_does() -> None:
    phc = PasswordHash(hash_password(b"correct horse"))
    assert phc.verify(b"correct horse")
    assert not phc.verify(b"correct horsf")
    assert not phc.verify(b"")


def test_a_hash_is_salted() -> None:
    assert hash_password(b"x") != hash_password(b"x")


def test_scrypt_agrees_with_another_implementation() -> None:
    salt = b"NaClNaClNaClNaCl"
    digest = hashlib.scrypt(b"password", salt=salt, n=1024, r=8, p=16, dklen=64)
    phc = PasswordHash(f"$scrypt$ln=10,r=8,p=16${bare(salt)}${bare(digest)}")
    assert phc.verify(b"password")
    assert not phc.verify(b"passwort")


def test_argon2id_of_other_cost_verifies() -> None:
    kdf = Argon2id(salt=b"0123456789abcdef", length=32, iterations=1, lanes=1, memory_cost=64)
    assert PasswordHash(kdf.derive_phc_encoded(b"pw")).verify(b"pw")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "$1$abc$def",
        "$argon2i$v=19$m=65536,t=3,p=4$eHh4eHh4eHh4eHh4eHh4eA$BytV0QVBwSlaXbH7DMrmUf5DlUmsJPK5+7Qj2bSZHPc",
        "$argon2id$v=19$m=65536,t=3,p=4$eHh4eHh4eHh4eHh4eHh4eA$",
        "$argon2id$v=19$m=65536,t=3,p=4$eHh4eHh4eHh4eHh4eHh4eA$BytV0QVBwSlaXbH7DMrmUf5DlUmsJPK5+7Qj2bSZHPc\n",
    ],
)
def test_what_is_no_phc_string_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a PHC string"):
        PasswordHash(text)


@pytest.mark.parametrize(
    "parameters",
    [
        "$argon2id$v=19$m=99999999,t=3,p=4$",
        "$argon2id$v=19$m=65536,t=9999,p=4$",
        "$argon2id$v=19$m=8,t=1,p=4$",
        "$argon2id$v=19$m=65536,t=0,p=4$",
        "$scrypt$ln=40,r=8,p=1$",
        "$scrypt$ln=24,r=999,p=1$",
        "$scrypt$ln=10,r=0,p=1$",
    ],
)
def test_a_hash_that_costs_too_much_or_nothing_is_refused(parameters: str) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        PasswordHash(parameters + bare(bytes(16)) + "$" + bare(bytes(32)))


def test_the_repr_of_a_hash_holds_no_hash() -> None:
    assert repr(PasswordHash(hash_password(b"x"))) == "PasswordHash(argon2id)"
