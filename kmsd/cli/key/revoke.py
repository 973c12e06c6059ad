"""`kmsd key revoke`."""

from __future__ import annotations

import click

from kmsd.cli.connect import connects, find
from kmsd.cli.output import say_record
from kmsd.cli.values import Named
from kmsd.client import SyncClient
from protocol.enums import RevocationReasonCode

COMPROMISED = frozenset({RevocationReasonCode.KEY_COMPROMISE, RevocationReasonCode.CA_COMPROMISE})


@click.command()
@connects
@click.argument("key")
@click.option(
    "--reason",
    type=Named(RevocationReasonCode, "Revocation Reason"),
    default="CessationOfOperation",
    show_default=True,
    help="KeyCompromise and CACompromise make it Compromised, others Deactivated.",
)
@click.option("--message", help="For those who will ask why.")
def revoke(client: SyncClient, *, key: str, reason: RevocationReasonCode, message: str | None, as_json: bool) -> None:
    """End the use of a key: it protects nothing new, what it protected can still be read."""
    done = client.revoke(find(client, key), reason, message)
    state = "Compromised" if reason in COMPROMISED else "Deactivated"
    say_record({"unique_identifier": done.unique_identifier, "state": state}, as_json)
