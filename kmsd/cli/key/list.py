"""`kmsd key list`."""

from __future__ import annotations

from typing import Any

import click

from kmsd.cli.connect import connects
from kmsd.cli.output import say_json, say_table
from kmsd.cli.values import Named, by_name, text
from kmsd.client import SyncClient, requests
from protocol.attributes import Attribute
from protocol.enums import BatchErrorContinuationOption, CryptographicAlgorithm, ObjectType, State
from protocol.versions import V1_3, V2_0

# JSON's name of each column, and the attribute that is in it.
COLUMNS = {
    "name": "Name",
    "object_type": "Object Type",
    "algorithm": "Cryptographic Algorithm",
    "length": "Cryptographic Length",
    "state": "State",
}
PROTECTION = {"protection_level": "Protection Level"}
"""Since 2.0; kmsd says High for keys in an HSM and Low for others."""

_AT_A_TIME = 50


@click.command("list")
@connects
@click.option("--name", help="Only what has this name.")
@click.option("--type", "object_type", type=Named(ObjectType, "Object Type"), help="SymmetricKey, PrivateKey, ...")
@click.option("--algorithm", type=Named(CryptographicAlgorithm, "Cryptographic Algorithm"), help="AES, RSA, ...")
@click.option("--state", type=Named(State, "State"), help="PreActive, Active, Deactivated, Compromised.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out so many, from the newest on.")
def list_keys(
    client: SyncClient,
    *,
    name: str | None,
    object_type: ObjectType | None,
    algorithm: CryptographicAlgorithm | None,
    state: State | None,
    limit: int,
    offset: int,
    as_json: bool,
) -> None:
    """List what there is and is not destroyed, newest first."""
    wanted = {"Object Type": object_type, "Cryptographic Algorithm": algorithm, "State": state}
    version = client.version
    if offset and version is not None and version < V1_3:
        raise click.UsageError("--offset needs KMIP 1.3")
    located = client.locate(
        *(Attribute(attribute, value) for attribute, value in wanted.items() if value is not None),
        name=name,
        maximum_items=limit + 1,
        offset_items=offset or None,
    ).unique_identifiers
    uids = located[:limit]
    columns = COLUMNS | PROTECTION if version is not None and version >= V2_0 else COLUMNS
    rows = [
        row
        for start in range(0, len(uids), _AT_A_TIME)
        for row in _describe(client, uids[start : start + _AT_A_TIME], columns)
    ]
    if as_json:
        say_json(rows)
        return
    heads = ["unique_identifier", *columns]
    say_table([head.replace("_", " ") for head in heads], ([text(row[head]) for head in heads] for row in rows))
    if len(located) > limit:
        click.echo("There are more: see --limit and --offset.", err=True)


def _describe(client: SyncClient, uids: tuple[str, ...], columns: dict[str, str]) -> list[dict[str, Any]]:
    """A row for each object; an empty one for what was destroyed meanwhile, or may be found but not read."""
    payloads = [requests.get_attributes(uid, *columns.values()) for uid in uids]
    outcomes = client.batch(payloads, BatchErrorContinuationOption.CONTINUE)
    rows = []
    for uid, outcome in zip(uids, outcomes, strict=True):
        found = by_name(outcome.payload.attributes) if outcome.error is None else {}
        rows.append({"unique_identifier": uid} | {column: found.get(name) for column, name in columns.items()})
    return rows
