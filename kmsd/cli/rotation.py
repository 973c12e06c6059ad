"""`kmsd rotation`: new versions of CMKs, now and by the clock, and what old ones are still good for."""

from __future__ import annotations

import click

from kmsd.cli.connect import connects
from kmsd.cli.key_values import Duration
from kmsd.cli.output import say_record
from kmsd.cli.values import date
from kmsd.client import SyncClient


@click.group()
def rotation() -> None:
    """Rotate CMKs. What older versions have encrypted is still decrypted."""


@rotation.command()
@connects
@click.argument("key")
def now(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Give a CMK a new version."""
    done = client.rotate_cmk(key)
    say_record(
        {
            "unique_identifier": done.unique_identifier,
            "primary_version": done.primary_version,
            "number": done.version_number,
        },
        as_json,
    )


@rotation.command()
@connects
@click.argument("key")
@click.option("--every", type=Duration(), help="7d to 730d.")
@click.option("--off", is_flag=True, help="Only when asked.")
def policy(client: SyncClient, *, key: str, every: int | None, off: bool, as_json: bool) -> None:
    """Have a CMK rotated by the clock, or no longer."""
    if (every is None) != off:
        raise click.UsageError("say --every or --off")
    done = client.update_rotation_policy(key, not off, every)
    record = {"unique_identifier": done.unique_identifier, "automatic": not off}
    if done.next_rotation_date is not None:
        record["next_rotation"] = date(done.next_rotation_date)
    say_record(record, as_json)


@rotation.command()
@connects
@click.argument("key")
@click.argument("number", type=int)
def minimum(client: SyncClient, *, key: str, number: int, as_json: bool) -> None:
    """Let versions below a number decrypt and verify no more."""
    done = client.set_minimum_version(key, number)
    say_record({"unique_identifier": done.unique_identifier, "minimum_version": number}, as_json)


@rotation.command("enable-version")
@connects
@click.argument("key")
@click.argument("number", type=int)
def enable_version(client: SyncClient, *, key: str, number: int, as_json: bool) -> None:
    """Let one version be used again."""
    done = client.set_version_enabled(key, number, True)
    say_record({"unique_identifier": done.unique_identifier, "number": number, "enabled": True}, as_json)


@rotation.command("disable-version")
@connects
@click.argument("key")
@click.argument("number", type=int)
def disable_version(client: SyncClient, *, key: str, number: int, as_json: bool) -> None:
    """Let one version, not the newest, be used no more."""
    done = client.set_version_enabled(key, number, False)
    say_record({"unique_identifier": done.unique_identifier, "number": number, "enabled": False}, as_json)
