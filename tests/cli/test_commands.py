from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kmsd.cli import COMMANDS, main
from kmsd.config.passwords import PasswordHash


@pytest.mark.parametrize("name", COMMANDS)
def test_every_row_of_the_table_is_a_command_of_that_name(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.hidden == COMMANDS[name].hidden


def test_help_lists_what_is_not_hidden() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output
    assert "check-config" in listed
    assert "Set up a development directory" not in listed


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(main, ["frobnicate"]).exit_code == 2


def test_help_imports_no_command() -> None:
    """The table is there so that each command pays for its own imports only."""
    code = (
        "import sys\n"
        "from kmsd.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print([m for m in ('trio', 'sqlalchemy', 'yaml', 'cryptography') if m in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_hash_password_reads_one_line() -> None:
    done = CliRunner().invoke(main, ["hash-password"], input="hunter2\n")
    assert done.exit_code == 0
    assert PasswordHash(done.output.strip()).verify(b"hunter2")


def test_hash_password_refuses_an_empty_one() -> None:
    done = CliRunner().invoke(main, ["hash-password"], input="\n")
    assert (done.exit_code, done.stderr) == (1, "Error: the password is empty\n")


def test_check_config_names_each_mistake_and_exits_1(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.yaml"
    path.write_text("listeners: []\nstore: {sqlite: x}\n")
    done = CliRunner().invoke(main, ["check-config", "--config", str(path)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{path}:1: listeners: at least one needed",
        f"{path}:1: tls: required, but not given",
    ]
