"""`kmsd key`: keys of a server, its own or another's, over KMIP."""

from __future__ import annotations

import click

from kmsd.cli import LazyGroup, Row

COMMANDS: dict[str, Row] = {
    "create": Row("kmsd.cli.key.create", "create", "Create a key, or a pair of keys."),
    "get": Row("kmsd.cli.key.get", "get", "Fetch a key itself."),
    "list": Row("kmsd.cli.key.list", "list_keys", "List keys."),
    "show": Row("kmsd.cli.key.show", "show", "Show all that the server says of a key."),
    "activate": Row("kmsd.cli.key.activate", "activate", "Let a key be used."),
    "revoke": Row("kmsd.cli.key.revoke", "revoke", "End the use of a key."),
    "destroy": Row("kmsd.cli.key.destroy", "destroy", "Destroy a key for good."),
}


@click.group(cls=LazyGroup, rows=COMMANDS)
def key() -> None:
    """Create, read, change and destroy keys.

    KEY is a Unique Identifier or a name.
    """
