"""`kmsd key destroy`."""

from __future__ import annotations

import click

from kmsd.cli.connect import connects, find
from kmsd.cli.output import printable, say_record
from kmsd.cli.values import by_name, text
from kmsd.client import SyncClient


@click.command()
@connects
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(client: SyncClient, *, key: str, yes: bool, as_json: bool) -> None:
    """Destroy a key for good, with all that only it can decrypt. An active key has to be revoked first."""
    uid = find(client, key)
    if not yes:
        found = by_name(client.get_attributes(uid, "Name", "State").attributes)
        called = f" ({printable(text(found['Name']))})" if "Name" in found else ""
        click.confirm(f"Destroy {uid}{called}, {text(found.get('State'))}?", abort=True, err=True)
    done = client.destroy(uid)
    say_record({"unique_identifier": done.unique_identifier, "state": "Destroyed"}, as_json)
