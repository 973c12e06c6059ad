"""`kmsd cmk`: keys of the key service, which have aliases, versions and a life of their own."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli.connect import connects
from kmsd.cli.files import from_file, to_file
from kmsd.cli.key_values import Duration, Pair, context_option, described, mapping, paged, unarmoured
from kmsd.cli.output import encoded, printable, say_json, say_record, say_table, write
from kmsd.cli.values import date, text
from kmsd.client import SyncClient
from kmsd.domain.cmk import KeyState, Origin
from kmsd.domain.key_specs import DEFAULT_SPEC, KEY_SPECS, KeyUsage
from kmsd.domain.objects import ProtectionLevel


@click.group()
def cmk() -> None:
    """Create, read, change and delete CMKs, and encrypt with them.

    KEY is an identifier, key-..., or an alias, alias/...; what changes a key wants its identifier.
    """


def _choice(*values: str) -> click.Choice[str]:
    return click.Choice(values, case_sensitive=False)


@cmk.command()
@connects
@click.option("--spec", type=_choice(*KEY_SPECS), default=DEFAULT_SPEC, show_default=True, help="What kind of key.")
@click.option("--usage", type=_choice(*KeyUsage), help="[default: SIGN/VERIFY where the key can sign]")
@click.option("--origin", type=_choice(*Origin), help="EXTERNAL: its material will be imported.  [default: KMSD]")
@click.option("--protection", type=_choice(*ProtectionLevel), help="[default: as the tenant's configuration says]")
@click.option("--description", help="Up to 8192 characters.")
@click.option("--alias", "aliases", multiple=True, help="alias/...; several times.")
@click.option("--tag", "tags", type=Pair(), multiple=True, help="Several times.")
@click.option("--rotate-every", type=Duration(), help="7d to 730d.")
@click.option("--deletion-protection/--no-deletion-protection", default=None, help="Refuse to delete it.")
def create(  # noqa: PLR0913 (click passes each option by name)
    client: SyncClient,
    *,
    spec: str,
    usage: str | None,
    origin: str | None,
    protection: str | None,
    description: str | None,
    aliases: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    rotate_every: int | None,
    deletion_protection: bool | None,
    as_json: bool,
) -> None:
    """Create a CMK."""
    made = client.create_cmk(
        spec,
        key_usage=usage,
        origin=origin,
        protection=protection,
        description=description,
        aliases=aliases,
        tags=mapping(tags, "tag"),
        rotation_interval=rotate_every,
        deletion_protection=deletion_protection,
    )
    say_record(described(made.metadata), as_json)


@cmk.command("list")
@connects
@click.option("--state", type=_choice(*KeyState), multiple=True)
@click.option("--spec", type=_choice(*KEY_SPECS), multiple=True)
@click.option("--protection", type=_choice(*ProtectionLevel), multiple=True)
@click.option("--alias", multiple=True)
@click.option("--tag", "tags", type=Pair(), multiple=True, help="With this tag.")
@paged
def list_cmks(  # noqa: PLR0913 (click passes each option by name)
    client: SyncClient,
    *,
    state: tuple[str, ...],
    spec: tuple[str, ...],
    protection: tuple[str, ...],
    alias: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    limit: int,
    offset: int,
    as_json: bool,
) -> None:
    """List CMKs, newest first: those that have one of the values of each option."""
    wanted = {
        "KeyState": state,
        "KeySpec": spec,
        "ProtectionLevel": protection,
        "AliasName": alias,
        "TagKey": tuple(key for key, _ in tags),
        "TagValue": tuple(value for _, value in tags),
    }
    filters = {key: values for key, values in wanted.items() if values}
    found = client.list_cmks(filters, maximum_items=limit, offset_items=offset or None)
    rows = [described(metadata) for metadata in found.keys]
    if as_json:
        say_json({"total": found.located_items, "keys": rows})
        return
    heads = ["unique_identifier", "aliases", "state", "spec", "usage", "protection", "rotation"]
    say_table([head.replace("_", " ") for head in heads], ([text(row.get(head)) for head in heads] for row in rows))
    if found.located_items > offset + len(rows):
        click.echo(f"There are {found.located_items}: see --limit and --offset.", err=True)


@cmk.command()
@connects
@click.argument("key")
def show(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Show what a CMK is."""
    say_record(described(client.describe_cmk(key).metadata), as_json)


def _say_done(uid: str, as_json: bool, **more: object) -> None:
    say_record({"unique_identifier": uid, **more}, as_json)


@cmk.command()
@connects
@click.argument("key")
@click.argument("description")
def describe(client: SyncClient, *, key: str, description: str, as_json: bool) -> None:
    """Give a CMK another description."""
    _say_done(client.update_cmk_description(key, description).unique_identifier, as_json, description=description)


@cmk.command()
@connects
@click.argument("key")
@click.argument("tags", type=Pair(), nargs=-1, required=True, metavar="NAME=VALUE...")
def tag(client: SyncClient, *, key: str, tags: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """Set tags of a CMK."""
    wanted = mapping(tags, "tag")
    _say_done(client.tag_cmk(key, wanted).unique_identifier, as_json, tags=wanted)


@cmk.command()
@connects
@click.argument("key")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def untag(client: SyncClient, *, key: str, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Remove tags of a CMK."""
    if bool(names) == everything:
        raise click.UsageError("name tags, or say --all")
    _say_done(client.untag_cmk(key, *names, all_tags=everything or None).unique_identifier, as_json)


@cmk.command()
@connects
@click.argument("key")
def enable(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Let a CMK be used."""
    _say_done(client.enable_cmk(key).unique_identifier, as_json, state=KeyState.ENABLED.value)


@cmk.command()
@connects
@click.argument("key")
def disable(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Let a CMK not be used until it is enabled: nothing is decrypted meanwhile."""
    _say_done(client.disable_cmk(key).unique_identifier, as_json, state=KeyState.DISABLED.value)


@cmk.command()
@connects
@click.argument("key")
@click.option("--on/--off", default=True, show_default=True)
@click.option("--reason", help="Why.")
def protect(client: SyncClient, *, key: str, on: bool, reason: str | None, as_json: bool) -> None:
    """Refuse to delete a CMK, or no longer."""
    _say_done(client.set_deletion_protection(key, on, reason).unique_identifier, as_json, deletion_protection=on)


@cmk.command()
@connects
@click.argument("key")
@click.option("--days", type=int, required=True, help="7 to 366.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(client: SyncClient, *, key: str, days: int, yes: bool, as_json: bool) -> None:
    """Have a CMK destroyed in so many days, with all that only it can decrypt. Until then `kmsd cmk keep` keeps it."""
    if not yes:
        found = client.describe_cmk(key).metadata
        called = f" ({printable(', '.join(found.alias_names))})" if found.alias_names else ""
        click.confirm(f"Delete {found.unique_identifier}{called} in {days} days?", abort=True, err=True)
    done = client.schedule_deletion(key, days)
    _say_done(done.unique_identifier, as_json, deletion_date=date(done.deletion_date))


@cmk.command()
@connects
@click.argument("key")
def keep(client: SyncClient, *, key: str, as_json: bool) -> None:
    """Keep a CMK that was to be deleted."""
    _say_done(client.cancel_deletion(key).unique_identifier, as_json)


@cmk.command()
@connects
@click.argument("key")
@paged
def versions(client: SyncClient, *, key: str, limit: int, offset: int, as_json: bool) -> None:
    """List the versions of a CMK, newest first."""
    found = client.list_cmk_versions(key, maximum_items=limit, offset_items=offset or None)
    rows = [
        {
            "number": version.version_number,
            "unique_identifier": version.unique_identifier,
            "created": date(version.initial_date),
            "enabled": version.version_enabled,
        }
        for version in found.versions
    ]
    if as_json:
        say_json({"total": found.located_items, "versions": rows})
    else:
        heads = ["number", "unique_identifier", "created", "enabled"]
        say_table([head.replace("_", " ") for head in heads], ([text(row[head]) for head in heads] for row in rows))


_OUTPUT = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: standard output]"
)


@cmk.command("public-key")
@connects
@click.argument("key")
@_OUTPUT
def public_key(client: SyncClient, *, key: str, output: Path | None, as_json: bool) -> None:
    """Write the public key of a CMK, or of one of its versions, as PEM."""
    answer = client.get_public_key(key)
    if as_json and output is None:
        say_json({"unique_identifier": answer.unique_identifier, "public_key": answer.public_key_pem})
    else:
        write(answer.public_key_pem.encode(), output, as_text=True)


@cmk.command()
@connects
@click.argument("key")
@from_file
@context_option()
@to_file
def encrypt(
    client: SyncClient,
    *,
    key: str,
    source: BinaryIO,
    context: tuple[tuple[str, str], ...],
    output: Path | None,
    as_base64: bool,
    as_json: bool,
) -> None:
    """Encrypt up to 6144 bytes to a ciphertext that says which key opens it. For more: `kmsd encrypt`."""
    answer = client.kms_encrypt(key, source.read(), mapping(context, "context"))
    if as_json and output is None:
        say_json(
            {
                "unique_identifier": answer.unique_identifier,
                "cmk": answer.cmk_identifier,
                "ciphertext": encoded(answer.ciphertext_blob),
            }
        )
    else:
        write(answer.ciphertext_blob, output, as_base64=as_base64)


@cmk.command()
@connects
@from_file
@context_option(text="As it was encrypted with; several times.")
@click.option("--key", help="Refuse what another key made.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, for its owner only.")
def decrypt(
    client: SyncClient,
    *,
    source: BinaryIO,
    context: tuple[tuple[str, str], ...],
    key: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Decrypt such a ciphertext, in base64 or not."""
    answer = client.kms_decrypt(unarmoured(source.read()), mapping(context, "context"), key=key)
    data = answer.data or b""
    if as_json and output is None:
        say_json({"unique_identifier": answer.unique_identifier, "cmk": answer.cmk_identifier, "data": encoded(data)})
    else:
        write(data, output, secret=True)
