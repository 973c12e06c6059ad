"""`kmsd hsm check`: the self-test that the daemon makes at start, with all its results."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from kmsd.cli.hsm.place import config_option, configured
from kmsd.cli.output import say_json, say_table


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead.")
def check(path: Path, *, as_json: bool) -> None:
    """Try each mechanism of the tokens with known keys, as the daemon does at start, and show what works.

    What does not work is refused to clients, never done outside the token. No key that is kept is used.
    """
    with configured(path) as settings, ExitStack() as closing:
        from kmsd.server.tokens import log_in, try_out  # noqa: PLC0415 (PKCS#11, once the configuration is sound)

        found = {
            name: dict(try_out(name, hsm, log_in(name, hsm, closing)).report) for name, hsm in settings.hsms.items()
        }
        if as_json:
            say_json(found)
        elif found:
            say_table(
                ("HSM", "Mechanism", "Result"),
                [(name, what, result) for name, report in found.items() for what, result in report.items()],
            )
        else:
            click.echo("the configuration names no HSM")
