"""`kmsd encrypt`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli import segments
from kmsd.cli.ciphertext import Ciphertext
from kmsd.cli.connect import connects, find
from kmsd.cli.files import destination, from_file, to_file
from kmsd.cli.output import encoded, say_json, write
from kmsd.cli.progress import chunks
from kmsd.client import SyncClient, requests
from protocol.enums import BatchErrorContinuationOption, LinkType, ObjectType
from protocol.versions import V1_4

ONE_REQUEST = (1 << 20) - 4096
"""Bytes that one request of kmsd's usual frame size carries, with all that is around them."""


@click.command()
@connects
@click.argument("key")
@from_file
@to_file
@click.option("--data-key", "under_data_key", is_flag=True, help="Send a data key only, also for what is short.")
def encrypt(
    client: SyncClient,
    *,
    key: str,
    source: BinaryIO,
    output: Path | None,
    as_base64: bool,
    under_data_key: bool,
    as_json: bool,
) -> None:
    """Encrypt a file or standard input with a key that the server never shows.

    The output tells `kmsd decrypt` all it needs. Up to 1 MiB (less 4 KiB) the server does it all; what is longer, of
    any size, is encrypted here with a new data key, which the server encrypts.
    """
    check_version(client)
    uid = find(client, key)
    data = source.read(ONE_REQUEST + 1)
    if len(data) <= ONE_REQUEST and not under_data_key:
        made = _on_server(client, uid, data)
        if as_json and output is None:
            say_json({"unique_identifier": made.unique_identifier, "ciphertext": encoded(bytes(made))})
        else:
            write(bytes(made), output, as_base64=as_base64)
        return
    if as_json and output is None:
        raise click.UsageError("a ciphertext of this kind does not go into JSON: use --output")
    data_key = os.urandom(segments.DATA_KEY)
    sealed = bytes(_on_server(client, uid, data_key))
    with destination(output, as_base64=as_base64) as put, chunks(source, "Encrypting", data) as plaintext:
        for piece in segments.encrypt(data_key, sealed, plaintext):
            put(piece)


def _on_server(client: SyncClient, uid: str, data: bytes) -> Ciphertext:
    # In the same message: with a public key, it is the private one that will decrypt.
    encrypted, described = client.batch(
        [requests.encrypt(uid, data), requests.get_attributes(uid, "Object Type", "Link")],
        BatchErrorContinuationOption.CONTINUE,
    )
    answer = encrypted.payload
    attributes = described.payload.attributes if described.error is None else ()
    decrypting = answer.unique_identifier
    if any(a.name == "Object Type" and a.value == ObjectType.PUBLIC_KEY for a in attributes):
        links = (a.value for a in attributes if a.name == "Link")
        private = (link.linked_object_identifier for link in links if link.link_type == LinkType.PRIVATE_KEY_LINK)
        decrypting = next(private, decrypting)
    return Ciphertext(
        decrypting, answer.iv_counter_nonce or b"", answer.authenticated_encryption_tag or b"", answer.data or b""
    )


def check_version(client: SyncClient) -> None:
    """Authenticated encryption has had its own fields since 1.4 only."""
    if client.version is not None and client.version < V1_4:
        raise click.UsageError(f"this needs KMIP 1.4; with this server it is {client.version}")
