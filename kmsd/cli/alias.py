"""`kmsd alias`: names of CMKs that can be moved from one to another."""

from __future__ import annotations

import click

from kmsd.cli.connect import connects
from kmsd.cli.key_values import paged
from kmsd.cli.output import say_json, say_record, say_table
from kmsd.client import SyncClient


@click.group()
def alias() -> None:
    """Create, move, delete and list aliases: alias/... and 1 to 255 letters, digits, _, - and /."""


def _say(name: str, uid: str, as_json: bool) -> None:
    say_record({"alias": name, "unique_identifier": uid}, as_json)


@alias.command()
@connects
@click.argument("name")
@click.argument("key")
def create(client: SyncClient, *, name: str, key: str, as_json: bool) -> None:
    """Give a CMK an alias."""
    _say(name, client.create_alias(name, key).unique_identifier, as_json)


@alias.command()
@connects
@click.argument("name")
@click.argument("key")
def update(client: SyncClient, *, name: str, key: str, as_json: bool) -> None:
    """Let an alias name another CMK, from one moment to the next."""
    _say(name, client.update_alias(name, key).unique_identifier, as_json)


@alias.command()
@connects
@click.argument("name")
def delete(client: SyncClient, *, name: str, as_json: bool) -> None:
    """Give up an alias. The CMK stays."""
    _say(name, client.delete_alias(name).unique_identifier, as_json)


@alias.command("list")
@connects
@click.argument("key", required=False)
@paged
def list_aliases(client: SyncClient, *, key: str | None, limit: int, offset: int, as_json: bool) -> None:
    """List the aliases of a CMK, or all."""
    found = client.list_aliases(key, maximum_items=limit, offset_items=offset or None)
    if as_json:
        rows = [{"alias": entry.alias_name, "unique_identifier": entry.unique_identifier} for entry in found.aliases]
        say_json({"total": found.located_items, "aliases": rows})
        return
    say_table(["alias", "unique identifier"], ([entry.alias_name, entry.unique_identifier] for entry in found.aliases))
    if found.located_items > offset + len(found.aliases):
        click.echo(f"There are {found.located_items}: see --limit and --offset.", err=True)
