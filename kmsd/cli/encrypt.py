"""`kmsd encrypt`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli.ciphertext import Ciphertext
from kmsd.cli.connect import connects, find
from kmsd.cli.output import encoded, say_json, write
from kmsd.client import SyncClient, requests
from protocol.enums import BatchErrorContinuationOption, LinkType, ObjectType
from protocol.versions import V1_4


@click.command()
@connects
@click.argument("key")
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: standard output]")
@click.option("--base64", "as_base64", is_flag=True, help="Write base64.")
def encrypt(
    client: SyncClient, *, key: str, source: BinaryIO, output: Path | None, as_base64: bool, as_json: bool
) -> None:
    """Encrypt a file or standard input on the server, which never shows the key.

    The output tells `kmsd decrypt` all it needs. One request carries it all: up to the server's frame size, of
    kmsd 1 MiB unless configured.
    """
    check_version(client)
    uid = find(client, key)
    # In the same message: with a public key, it is the private one that will decrypt.
    encrypted, described = client.batch(
        [requests.encrypt(uid, source.read()), requests.get_attributes(uid, "Object Type", "Link")],
        BatchErrorContinuationOption.CONTINUE,
    )
    answer = encrypted.payload
    attributes = described.payload.attributes if described.error is None else ()
    decrypting = answer.unique_identifier
    if any(a.name == "Object Type" and a.value == ObjectType.PUBLIC_KEY for a in attributes):
        links = (a.value for a in attributes if a.name == "Link")
        private = (link.linked_object_identifier for link in links if link.link_type == LinkType.PRIVATE_KEY_LINK)
        decrypting = next(private, decrypting)
    made = Ciphertext(
        decrypting, answer.iv_counter_nonce or b"", answer.authenticated_encryption_tag or b"", answer.data or b""
    )
    if as_json and output is None:
        say_json({"unique_identifier": answer.unique_identifier, "ciphertext": encoded(bytes(made))})
    else:
        write(bytes(made), output, as_base64=as_base64)


def check_version(client: SyncClient) -> None:
    """Authenticated encryption has had its own fields since 1.4 only."""
    if client.version is not None and client.version < V1_4:
        raise click.UsageError(f"this needs KMIP 1.4; with this server it is {client.version}")
