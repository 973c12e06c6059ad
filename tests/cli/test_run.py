"""The script ./run, with an environment that is already installed and a program that says how it was called."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# In place of kmsd: `dev` writes its arguments, `serve` too and then waits to be stopped.
PROGRAM = """\
#!/bin/bash
echo "kmsd $*"
[ "$1" = serve ] || exit 0
trap 'exit 0' TERM
echo "SOFTHSM2_CONF=$SOFTHSM2_CONF pid=$$"
read -r _
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment bears the stamp of its own project and lock files."""
    root = tmp_path / "a checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    for name in ("run", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    program = root / ".venv" / "bin" / "kmsd"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    made_from = (root / "pyproject.toml").read_bytes() + (root / "requirements.lock").read_bytes()
    digest = hashlib.sha256(made_from + f"{root}\n".encode()).hexdigest()
    (root / ".venv" / ".kmsd-runtime").write_text(f"{digest}  -\n")
    tool = tmp_path / "bin" / "softhsm2-util"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    return root


@pytest.fixture
def start(checkout: Path, tmp_path: Path) -> Start:
    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        # With softhsm2-util found, the script has no reason to call apt.
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen(
            [checkout / "run", *arguments],
            cwd=tmp_path,
            env={"PATH": path, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def test_it_sets_up_then_becomes_the_daemon(start: Start, checkout: Path) -> None:
    with start() as process:
        output, errors = process.communicate("\n")
    directory = f"{checkout}/.kmsd"
    assert output.splitlines() == [
        f"kmsd dev --directory {directory} --port 5696",
        f"kmsd serve --config {directory}/kmsd.yaml",
        f"SOFTHSM2_CONF={directory}/softhsm2.conf pid={process.pid}",
    ]
    assert errors == ""


@pytest.mark.parametrize(("given", "directory"), [("/a b/c", "/a b/c"), ("here", "{caller}/here")])
def test_directory_and_port_are_as_told_by_the_caller(start: Start, tmp_path: Path, given: str, directory: str) -> None:
    with start(KMSD_DEV_DIR=given, KMSD_PORT="15696") as process:
        output, _ = process.communicate("\n")
    expected = directory.format(caller=tmp_path)
    assert output.splitlines()[0].endswith(f"dev --directory {expected} --port 15696")


def test_sigterm_reaches_the_daemon(start: Start) -> None:
    with start() as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert "pid=" in lines[-1]
        process.send_signal(signal.SIGTERM)
        # bash runs the trap once its `read` has ended.
        process.communicate("\n")
    assert process.returncode == 0


def test_other_words_are_refused(start: Start) -> None:
    with start("nonsense") as process:
        _, errors = process.communicate()
    assert (process.returncode, errors.split(" ")[0]) == (1, "usage:")


def test_the_lock_names_no_index_and_hashes_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    entries = lock.replace("\\\n", " ").splitlines()
    pins = [entry for entry in entries if entry and not entry.startswith("#")]
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def test_the_lock_fits_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    runtime, _, test = lock.partition("# end\n")
    for part, needs in ((runtime, project["dependencies"]), (test, project["optional-dependencies"]["test"])):
        # One package may have several, for different Pythons.
        pins = re.findall(r"^([a-z0-9-]+)==([^ ]+) ", part, re.MULTILINE)
        for need in map(Requirement, needs):
            name = canonicalize_name(need.name)
            assert any(need.specifier.contains(version) for pinned, version in pins if pinned == name), need
