"""`kmsd re-encrypt`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli.connect import connects
from kmsd.cli.files import from_file, to_file
from kmsd.cli.key_values import context_option, mapping, unarmoured
from kmsd.cli.output import encoded, say_json, write
from kmsd.client import SyncClient


@click.command("re-encrypt")
@connects
@from_file
@click.option("--to", "destination", required=True, help="The CMK to encrypt under: its newest version.")
@click.option("--from", "origin", help="Refuse what another key made; a private key: decrypt with it.")
@context_option(text="As it was encrypted with; several times.")
@context_option("--to-context", "Of what is made; several times.")
@to_file
def re_encrypt(  # noqa: PLR0913 (click passes each option by name)
    client: SyncClient,
    *,
    source: BinaryIO,
    destination: str,
    origin: str | None,
    context: tuple[tuple[str, str], ...],
    to_context: tuple[tuple[str, str], ...],
    output: Path | None,
    as_base64: bool,
    as_json: bool,
) -> None:
    """Encrypt a ciphertext of `kmsd cmk encrypt` or `kmsd data-key` anew; the server shows nobody what is in it."""
    data = source.read()
    answer = client.re_encrypt(
        unarmoured(data) if origin is None else data,
        destination,
        mapping(context, "context"),
        mapping(to_context, "context"),
        source=origin,
    )
    if as_json and output is None:
        say_json(
            {
                "unique_identifier": answer.unique_identifier,
                "cmk": answer.cmk_identifier,
                "source_version": answer.source_version,
                "ciphertext": encoded(answer.ciphertext_blob),
            }
        )
    else:
        write(answer.ciphertext_blob, output, as_base64=as_base64)
