"""`kmsd key show`."""

from __future__ import annotations

import click

from kmsd.cli.connect import connects, find
from kmsd.cli.output import say_json, say_table
from kmsd.cli.values import by_name, text
from kmsd.client import SyncClient


@click.command()
@connects
@click.argument("key")
def show(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Show all that the server says of a key, but not the key itself."""
    found = by_name(client.get_attributes(find(client, key)).attributes)
    if as_json:
        say_json(found)
    else:
        say_table(["attribute", "value"], ([name, text(value)] for name, value in found.items()))
