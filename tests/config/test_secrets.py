from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from kmsd.config.secrets import MAXIMUM_SIZE, Secret, SecretFile


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(b"hunter2")
    for shown in (repr(secret), str(secret), f"{secret}", repr([secret])):
        assert "hunter2" not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert secret.reveal() == b"hunter2"


def test_secrets_compare_by_value_and_have_no_hash() -> None:
    assert Secret(b"a") == Secret(b"a")
    assert Secret(b"a") != Secret(b"b")
    with pytest.raises(TypeError):
        hash(Secret(b"a"))


def test_a_secret_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.touch(mode=0o600)
    path.write_bytes(b"1")
    file = SecretFile(path)
    assert file.read().reveal() == b"1"
    path.unlink()
    assert file.read().reveal() == b"1"


def test_a_directory_is_no_secret_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a regular file"):
        SecretFile(tmp_path).read()


def test_a_secret_file_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.touch(mode=0o600)
    path.write_bytes(bytes(MAXIMUM_SIZE + 1))
    with pytest.raises(ValueError, match="more than 65536 bytes"):
        SecretFile(path).read()
