from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with the program that they start where this machine has one."""
    program = tmp_path / "kmsd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in ("kmsd.service", "kmsd.socket"):
        text = (UNITS / unit).read_text().replace("/opt/kmsd/bin/kmsd", str(program))
        (tmp_path / unit).write_text(text)
    return tmp_path


@analyze
def test_systemd_finds_nothing_to_say_about_the_units(units: Path) -> None:
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "kmsd.service", "kmsd.socket"],
        cwd=units,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@analyze
def test_the_service_is_exposed_little(units: Path) -> None:
    """At most 2.0 on systemd's scale from 0 (closed) to 10; the network, which it serves, is most of it."""
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(units / "kmsd.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_credentials_of_the_unit_are_those_of_the_documented_configuration() -> None:
    unit = (UNITS / "kmsd.service").read_text()
    configuration = (UNITS.parent / "conf" / "kmsd.yaml").read_text()
    named = set(re.findall(r"^[^#\n]*\{credential: ([a-z-]+)\}", configuration, re.MULTILINE))
    assert set(re.findall(r"^LoadCredential=([a-z-]+):", unit, re.MULTILINE)) == named


def test_the_socket_is_the_port_of_the_documented_configuration() -> None:
    assert "ListenStream=5696\n" in (UNITS / "kmsd.socket").read_text()
    assert "port: 5696\n" in (UNITS.parent / "conf" / "kmsd.yaml").read_text()
