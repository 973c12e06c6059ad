"""The command line. A command's module is imported when it runs: `kmsd --help` loads none of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from kmsd import __version__
from kmsd.cli.standard_output import say_what_fails


class Row(NamedTuple):
    """Where a command is, and what it says in the list of commands."""

    module: str
    attribute: str
    summary: str
    hidden: bool = False


COMMANDS: dict[str, Row] = {
    "serve": Row("kmsd.cli.serve", "serve", "Serve KMIP."),
    "check-config": Row("kmsd.cli.check_config", "check_config", "Check a configuration without starting."),
    "plan": Row("kmsd.cli.plan", "show_plan", "Show what a configuration would change of the declared keys."),
    "reload": Row("kmsd.cli.reload", "reload_daemon", "Let the running daemon take up its configuration."),
    "audit": Row("kmsd.cli.audit", "audit", "Read what clients did."),
    "key": Row("kmsd.cli.key", "key", "Create, read, change and destroy keys."),
    "cmk": Row("kmsd.cli.cmk", "cmk", "Create, read, change and delete CMKs, and encrypt with them."),
    "alias": Row("kmsd.cli.alias", "alias", "Create, move, delete and list aliases of CMKs."),
    "rotation": Row("kmsd.cli.rotation", "rotation", "Rotate CMKs, now and by the clock."),
    "import": Row("kmsd.cli.import_", "import_", "Bring material for a CMK."),
    "data-key": Row("kmsd.cli.data_key", "data_key", "Make data keys under CMKs."),
    "re-encrypt": Row("kmsd.cli.re_encrypt", "re_encrypt", "Encrypt a ciphertext anew, under another key."),
    "encrypt": Row("kmsd.cli.encrypt", "encrypt", "Encrypt with a key of the server."),
    "decrypt": Row("kmsd.cli.decrypt", "decrypt", "Decrypt what `kmsd encrypt` made."),
    "sign": Row("kmsd.cli.sign", "sign", "Sign with a key of the server."),
    "verify": Row("kmsd.cli.verify", "verify", "Verify a signature with a key of the server."),
    "completion": Row("kmsd.cli.completion", "completion", "Complete commands in bash, zsh or fish."),
    "hsm": Row("kmsd.cli.hsm", "hsm", "Look at the tokens of a configuration."),
    "hash-password": Row("kmsd.cli.hash_password", "hash_password", "Hash a client's password."),
    "dev": Row("kmsd.cli.dev", "dev", "Set up a development directory.", hidden=True),
}


class LazyGroup(click.Group):
    """A group whose commands are rows of a table until one of them is called."""

    def __init__(self, *args: Any, rows: Mapping[str, Row], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rows = rows

    def main(self, *args: Any, **kwargs: Any) -> Any:
        say_what_fails()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self._rows.get(cmd_name)
        if row is None:
            return None
        command = getattr(import_module(row.module), row.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{row.module}.{row.attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self._rows.items() if not row.hidden])


@click.group(cls=LazyGroup, rows=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="kmsd %(version)s", help="Say the version.")
def main() -> None:
    """kmsd: a multi-tenant key management daemon that speaks KMIP."""
