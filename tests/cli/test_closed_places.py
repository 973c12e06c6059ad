"""Files and directories that are not open to who asks: a message that names the file, never a traceback."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from kmsd.cli import main
from tests.daemon import free_port, set_up

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user whom modes stop, which they do not do to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A development directory of a user without privileges; those of pytest are open to their maker only."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "dev"
        set_up(made, free_port(), hsm=False)
        if os.geteuid() == 0:
            for path in (Path(name), made, *made.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        yield made


@contextmanager
def closed(path: Path) -> Iterator[None]:
    path.chmod(0)
    try:
        with unprivileged():
            yield
    finally:
        path.chmod(0o700)


def test_a_client_in_a_closed_directory(directory: Path) -> None:
    command = ["key", "list", "--client", str(directory / "acme-app"), "--server", "127.0.0.1:1"]
    assert CliRunner().invoke(main, command).exit_code == 3
    with closed(directory):
        done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{directory}/acme-app.pem: Permission denied" in done.stderr


@pytest.mark.parametrize("command", ["check-config", "plan"])
def test_closed_credentials_are_a_mistake_with_its_place(directory: Path, command: str) -> None:
    path = directory / "kmsd.yaml"
    assert CliRunner().invoke(main, [command, "--config", str(path)]).exit_code == 0
    with closed(directory / "credentials"):
        done = CliRunner().invoke(main, [command, "--config", str(path)])
    assert (done.exit_code, done.stdout) == (1, "")
    numbers = [number for number, line in enumerate(path.read_text().splitlines(), 1) if "{credential:" in line]
    assert numbers
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{number}" for number in numbers]
    assert all(line.endswith("Permission denied") for line in lines)


def test_a_closed_place_of_the_store(directory: Path) -> None:
    path = directory / "kmsd.yaml"
    place = directory / "closed"
    place.mkdir()
    text = path.read_text()
    assert "sqlite: kmsd.db" in text
    path.write_text(text.replace("sqlite: kmsd.db", "sqlite: closed/kmsd.db"))
    assert CliRunner().invoke(main, ["plan", "--config", str(path)]).exit_code == 0
    with closed(place):
        done = CliRunner().invoke(main, ["plan", "--config", str(path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: {place}/kmsd.db: Permission denied\n"
