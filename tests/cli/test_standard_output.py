"""Standard output that takes no more: a disk that is full, a reader that has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.conftest import Kmsd
from tests.daemon import KMSD, free_port, set_up

FULL = "Error: cannot write to standard output: No space left on device\n"


def run(stdout: IO[Any] | int, *arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, str]:
    """The exit code, and what is on standard error."""
    done = subprocess.run(
        [*KMSD, *arguments],
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"PYTHONUNBUFFERED": request.param}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
class TestFull:
    """/dev/full has no space for anything."""

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"]], ids=" ".join)
    def test_what_needs_no_server(self, arguments: list[str], buffering: dict[str, str]) -> None:
        with Path("/dev/full").open("wb") as full:
            assert run(full, *arguments, **buffering) == (1, FULL)

    @pytest.mark.parametrize("size", [5, 3 << 20], ids=["short", "long"])
    @pytest.mark.parametrize("options", [[], ["--base64"]], ids=["bytes", "base64"])
    def test_bytes(self, app: Kmsd, options: list[str], size: int, buffering: dict[str, str]) -> None:
        name = app.key()
        environment = {
            **buffering,
            "KMSD_SERVER": app.daemon.address,
            "KMSD_CLIENT": str(app.daemon.client()),
        }
        with Path("/dev/full").open("wb") as full:
            assert run(full, "encrypt", name, *options, stdin=b"x" * size, **environment) == (1, FULL)

    @pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
    def test_tables_and_documents(self, app: Kmsd, options: list[str]) -> None:
        command = ["key", "list", "--server", app.daemon.address, "--client", str(app.daemon.client()), *options]
        with Path("/dev/full").open("wb") as full:
            assert run(full, *command) == (1, FULL)

    def test_the_daemon(self, tmp_path: Path) -> None:
        set_up(tmp_path / "dev", free_port(), hsm=False)
        with Path("/dev/full").open("wb") as full:
            code, said = run(full, "serve", "--config", str(tmp_path / "dev" / "kmsd.yaml"), "--log-level", "error")
        assert code == 1
        assert said.endswith("kmsd does not start: cannot write to standard output: No space left on device\n")
        assert "Traceback" not in said


def test_a_reader_that_has_gone_is_no_news(app: Kmsd, buffering: dict[str, str]) -> None:
    name = app.key()
    environment = {**buffering, "KMSD_SERVER": app.daemon.address, "KMSD_CLIENT": str(app.daemon.client())}
    for arguments, stdin in (
        (["encrypt", name], b"x" * (3 << 20)),
        (["key", "list"], b""),
        (["key", "list", "--json"], b""),
    ):
        ours, theirs = os.pipe()
        os.close(ours)
        try:
            assert run(theirs, *arguments, stdin=stdin, **environment) == (1, "")
        finally:
            os.close(theirs)


@pytest.mark.parametrize("size", [0, 5, 3 << 20])
def test_all_of_it_arrives_where_there_is_space(
    app: Kmsd, tmp_path: Path, size: int, buffering: dict[str, str]
) -> None:
    name = app.key()
    environment = {**buffering, "KMSD_SERVER": app.daemon.address, "KMSD_CLIENT": str(app.daemon.client())}
    data, sealed, opened = os.urandom(size), tmp_path / "sealed", tmp_path / "opened"
    with sealed.open("wb") as file:
        assert run(file, "encrypt", name, stdin=data, **environment) == (0, "")
    with opened.open("wb") as file:
        assert run(file, "decrypt", str(sealed), **environment) == (0, "")
    assert opened.read_bytes() == data
