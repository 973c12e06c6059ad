"""`kmsd data-key`: keys for data that is too large to be sent, encrypted under CMKs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

from kmsd.cli.connect import connects
from kmsd.cli.files import from_file
from kmsd.cli.key_values import context_option, mapping, public_key_der, unarmoured
from kmsd.cli.output import encoded, say_json, say_record, write
from kmsd.client import SyncClient
from kmsd.domain.transport import RSA_SPECS


@click.group("data-key")
def data_key() -> None:
    """Make data keys, and hand them on. `kmsd cmk decrypt` opens an encrypted one."""


def _recipient(function: Callable[..., None]) -> Callable[..., None]:
    """The public key of who is to get the data key."""
    options = (
        click.option(
            "--public-key", type=click.File("rb"), required=True, help="Of who is to get it: PEM or DER, RSA or SM2."
        ),
        click.option(
            "--wrapping-key", "spec", type=click.Choice([*RSA_SPECS, "EC_SM2"], case_sensitive=False),
            default="RSA_2048", show_default=True, help="What it is.",
        ),
        click.option(
            "--algorithm",
            type=click.Choice(["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", "SM2PKE"], case_sensitive=False),
            default="RSAES_OAEP_SHA_256", show_default=True,
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


_BYTES = click.option("--bytes", "size", type=int, help="1 to 1024.  [default: 32]")
_OUTPUT = click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="For the encrypted key.")


@data_key.command()
@connects
@click.argument("key")
@_BYTES
@context_option()
@click.option("--without-plaintext", is_flag=True, help="Encrypted only.")
@_OUTPUT
@click.option(
    "--plaintext", type=click.Path(dir_okay=False, path_type=Path), help="A file for the key itself, its owner's only."
)
@click.option("--show", is_flag=True, help="Print the key itself on a terminal.")
def generate(  # noqa: PLR0913 (one for each option)
    client: SyncClient,
    *,
    key: str,
    size: int | None,
    context: tuple[tuple[str, str], ...],
    without_plaintext: bool,
    output: Path | None,
    plaintext: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Make a data key: the key itself, to use and to forget, and encrypted under the CMK, to keep with the data."""
    if without_plaintext and plaintext is not None:
        raise click.UsageError("there is no plaintext to write")
    if plaintext is None and not without_plaintext and not show and sys.stdout.isatty():
        raise click.UsageError("a secret is not printed on a terminal: use --plaintext FILE, or --show")
    asked = mapping(context, "context")
    record: dict[str, Any] = {}
    if without_plaintext:
        sealed = client.generate_data_key_without_plaintext(key, size, asked)
        blob, record["unique_identifier"], record["cmk"] = (
            sealed.ciphertext_blob,
            sealed.unique_identifier,
            sealed.cmk_identifier,
        )
    else:
        made = client.generate_data_key(key, size, asked)
        blob, record["unique_identifier"], record["cmk"] = (
            made.ciphertext_blob,
            made.unique_identifier,
            made.cmk_identifier,
        )
        if plaintext is None:
            record["plaintext"] = encoded(made.data or b"")
        else:
            write(made.data or b"", plaintext, secret=True)
    if output is None:
        record["ciphertext"] = encoded(blob)
    else:
        write(blob, output)
    say_record(record, as_json)


@data_key.command()
@connects
@from_file
@_recipient
@context_option(text="As it was encrypted with; several times.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: standard output]")
def export(
    client: SyncClient,
    *,
    source: BinaryIO,
    public_key: BinaryIO,
    spec: str,
    algorithm: str,
    context: tuple[tuple[str, str], ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Encrypt an encrypted data key under somebody's public key, without seeing it."""
    answer = client.export_data_key(
        unarmoured(source.read()), public_key_der(public_key.read()), spec, algorithm, mapping(context, "context")
    )
    if as_json and output is None:
        say_json(
            {"unique_identifier": answer.unique_identifier, "exported_data_key": encoded(answer.exported_data_key)}
        )
    else:
        write(answer.exported_data_key, output)


@data_key.command("generate-export")
@connects
@click.argument("key")
@_BYTES
@_recipient
@context_option()
@_OUTPUT
@click.option("--exported", type=click.Path(dir_okay=False, path_type=Path), help="For the key under the public key.")
def generate_export(  # noqa: PLR0913 (click passes each option by name)
    client: SyncClient,
    *,
    key: str,
    size: int | None,
    public_key: BinaryIO,
    spec: str,
    algorithm: str,
    context: tuple[tuple[str, str], ...],
    output: Path | None,
    exported: Path | None,
    as_json: bool,
) -> None:
    """Make a data key that nobody sees here: encrypted under the CMK, and under somebody's public key."""
    answer = client.generate_and_export_data_key(
        key, public_key_der(public_key.read()), spec, algorithm, size, mapping(context, "context")
    )
    record: dict[str, Any] = {"unique_identifier": answer.unique_identifier, "cmk": answer.cmk_identifier}
    for name, path, data in (
        ("ciphertext", output, answer.ciphertext_blob),
        ("exported_data_key", exported, answer.exported_data_key),
    ):
        if path is None:
            record[name] = encoded(data)
        else:
            write(data, path)
    say_record(record, as_json)
