"""`kmsd hsm`: the tokens of a configuration, looked at by who runs the daemon."""

from __future__ import annotations

import click

from kmsd.cli import LazyGroup, Row

COMMANDS: dict[str, Row] = {
    "check": Row("kmsd.cli.hsm.check", "check", "Try what the tokens are able to do."),
    "orphans": Row("kmsd.cli.hsm.orphans", "show_orphans", "Find keys that only a token has, or only the store."),
}


@click.group(cls=LazyGroup, rows=COMMANDS)
def hsm() -> None:
    """Look at the tokens that a configuration names, with its PINs. A daemon may be running."""
