"""The README's first five minutes, run as written against a real daemon."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import readme_tables
from tests.daemon import Daemon, development_daemon
from tests.shared import SHARED

README = Path(__file__).parent.parent / "README.md"
REFUSED = "# refused"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def here(text: str, daemon: Daemon) -> str:
    """The text with this daemon in the place of the one that ./run starts."""
    return (
        text.replace("127.0.0.1:5696", daemon.address)
        .replace("5696", str(daemon.port))
        .replace(".kmsd/", f"{daemon.directory}/")
        .replace('".kmsd"', repr(str(daemon.directory)))
    )


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH with the `kmsd` of this source, wherever it is installed."""
    command = tmp_path / "bin" / "kmsd"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c 'from kmsd.cli import main; main()' \"$@\"\n")
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of its own: the names in the README are anybody's."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("no SoftHSM on this machine")
    with development_daemon(tmp_path / "dev", hsm=True) as running:
        yield running


def test_the_shell_blocks_do_what_they_say(fresh: Daemon, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "README.md").write_text("a document to sign")
    script = ["set -o pipefail", 'expect() { [ $? = $1 ] || { echo "line $2: not as written" >&2; exit 9; }; }']
    lines = [line for block in blocks("sh") for line in here(block, fresh).splitlines()]
    assert any(REFUSED in line for line in lines)
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith("source "):
            script += [line, f"expect {int(REFUSED in line)} {number}"]
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("attack at dawn") == 3
    assert done.stdout.count("card 4111") == 2


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_python_blocks_run(software_daemon: Daemon, tmp_path: Path, number: int) -> None:
    code = here(blocks("python")[number], software_daemon)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(README.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) >= 32


@pytest.mark.parametrize("name", readme_tables.TABLES)
def test_the_tables_are_those_of_the_code(name: str) -> None:
    table = "\n".join(readme_tables.TABLES[name]())
    assert f"\n\n{table}\n\n" in README.read_text(), "python -m tests.readme_tables"


def test_the_tables_can_be_written_anew() -> None:
    text = README.read_text()
    if SHARED is not None:
        assert readme_tables.rewritten(text) == text
    assert readme_tables.rewritten(readme_tables.rewritten(text)) == readme_tables.rewritten(text)
