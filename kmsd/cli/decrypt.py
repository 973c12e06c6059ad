"""`kmsd decrypt`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli import segments
from kmsd.cli.ciphertext import Ciphertext, is_armoured, is_ciphertext
from kmsd.cli.connect import Refused, connects
from kmsd.cli.encrypt import check_version
from kmsd.cli.files import destination, from_file, unarmoured
from kmsd.cli.output import encoded, say_json, write
from kmsd.cli.progress import chunks
from kmsd.client import SyncClient


@click.command()
@connects
@from_file
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, for its owner only.")
def decrypt(client: SyncClient, *, source: BinaryIO, output: Path | None, as_json: bool) -> None:
    """Decrypt what `kmsd encrypt` made: a file or standard input, in base64 or not.

    A file of --output is there once all of it has proved unchanged. Standard output gets piece by piece what has:
    only the exit code 0 says that it was all.
    """
    check_version(client)
    try:
        with chunks(source, "Decrypting") as read:
            head, pieces = _opened(read)
            if segments.is_segmented(head):
                _segmented(client, head, pieces, output, as_json)
                return
            # What is no ciphertext of one request is not read to its end.
            made = Ciphertext.parse(b"".join((head, *pieces)) if is_ciphertext(head) else head)
    except segments.DamagedError as error:
        raise Refused(f"{_name(source)}: {error}") from error
    except ValueError as error:
        raise click.UsageError(f"{_name(source)}: {error}") from error
    data, uid = _on_server(client, made)
    if as_json and output is None:
        say_json({"unique_identifier": uid, "data": encoded(data)})
    else:
        write(data, output, secret=True)


def _opened(read: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and those that follow, out of their base64."""
    head = next(read, b"")
    if not is_armoured(head):
        return head, read
    pieces = unarmoured(chain((head,), read))
    return next(pieces), pieces


def _segmented(client: SyncClient, file: bytes, pieces: Iterator[bytes], output: Path | None, as_json: bool) -> None:
    if as_json and output is None:
        raise click.UsageError("what is in this file does not go into JSON: use --output")
    head = segments.Head.parse(file)
    data_key, _ = _on_server(client, Ciphertext.parse(head.sealed_key))
    rest = file[len(bytes(head)) :]
    with destination(output, secret=True) as put:
        for plaintext in segments.decrypt(data_key, head, chain((rest,), pieces)):
            put(plaintext)


def _on_server(client: SyncClient, made: Ciphertext) -> tuple[bytes, str]:
    """(the plaintext, the identifier of the key)."""
    answer = client.decrypt(made.unique_identifier, made.data, iv=made.iv or None, tag=made.tag or None)
    return answer.data or b"", answer.unique_identifier


def _name(source: BinaryIO) -> str:
    return str(getattr(source, "name", "input"))
