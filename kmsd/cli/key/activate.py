"""`kmsd key activate`."""

from __future__ import annotations

import click

from kmsd.cli.connect import connects, find
from kmsd.cli.output import say_record
from kmsd.client import SyncClient


@click.command()
@connects
@click.argument("key")
def activate(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Let a key be used that was created with --no-activate."""
    done = client.activate(find(client, key))
    say_record({"unique_identifier": done.unique_identifier, "state": "Active"}, as_json)
