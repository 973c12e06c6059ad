"""`kmsd decrypt`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli.ciphertext import Ciphertext
from kmsd.cli.connect import connects
from kmsd.cli.encrypt import check_version
from kmsd.cli.output import encoded, say_json, write
from kmsd.client import SyncClient


@click.command()
@connects
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, for its owner only.")
def decrypt(client: SyncClient, *, source: BinaryIO, output: Path | None, as_json: bool) -> None:
    """Decrypt what `kmsd encrypt` made: a file or standard input, in base64 or not."""
    check_version(client)
    try:
        made = Ciphertext.parse(source.read())
    except ValueError as error:
        raise click.UsageError(f"{getattr(source, 'name', 'input')}: {error}") from error
    answer = client.decrypt(made.unique_identifier, made.data, iv=made.iv or None, tag=made.tag or None)
    data = answer.data or b""
    if as_json and output is None:
        say_json({"unique_identifier": answer.unique_identifier, "data": encoded(data)})
    else:
        write(data, output, secret=True)
