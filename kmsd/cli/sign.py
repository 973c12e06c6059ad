"""`kmsd sign`, and what it shares with `kmsd verify`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

from kmsd.cli.connect import connects, find
from kmsd.cli.output import encoded, say_json, write
from kmsd.cli.progress import chunks
from kmsd.client import SyncClient
from protocol.enums import HashingAlgorithm, PaddingMethod
from protocol.structures import CryptographicParameters
from protocol.versions import V1_4

HASHES = {
    "SHA-256": HashingAlgorithm.SHA_256,
    "SHA-384": HashingAlgorithm.SHA_384,
    "SHA-512": HashingAlgorithm.SHA_512,
}
PADDINGS = {"PKCS1": PaddingMethod.PKCS1_V1_5, "PSS": PaddingMethod.PSS}


def scheme_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which kind of signature; both sides must say the same."""
    hashing = click.option(
        "--hash",
        "hashing",
        type=click.Choice(list(HASHES), case_sensitive=False),
        default="SHA-256",
        show_default=True,
    )
    padding = click.option(
        "--padding", type=click.Choice(list(PADDINGS), case_sensitive=False), help="Of an RSA key.  [default: PKCS1]"
    )
    return hashing(padding(command))


def what_to_sign(
    client: SyncClient, source: BinaryIO, hashing: str, padding: str | None
) -> tuple[CryptographicParameters, dict[str, Any]]:
    """The parameters, and the data as the request carries them: since 1.4 their digest, so that any size will do."""
    parameters = CryptographicParameters(
        hashing_algorithm=HASHES[hashing], padding_method=None if padding is None else PADDINGS[padding]
    )
    if client.version is not None and client.version < V1_4:
        return parameters, {"data": source.read()}
    digest = hashlib.new(hashing.replace("-", ""))
    for chunk in chunks(source, "Reading"):
        digest.update(chunk)
    return parameters, {"digested_data": digest.digest()}


@click.command()
@connects
@click.argument("key")
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: standard output]")
@click.option("--base64", "as_base64", is_flag=True, help="Write base64.")
@scheme_options
def sign(
    client: SyncClient,
    *,
    key: str,
    source: BinaryIO,
    output: Path | None,
    as_base64: bool,
    hashing: str,
    padding: str | None,
    as_json: bool,
) -> None:
    """Sign a file or standard input with a private key. RSA: PKCS#1 v1.5 or PSS; EC: ECDSA, in DER."""
    parameters, data = what_to_sign(client, source, hashing, padding)
    answer = client.sign(find(client, key), parameters=parameters, **data)
    signature = answer.signature_data or b""
    if as_json and output is None:
        say_json({"unique_identifier": answer.unique_identifier, "signature": encoded(signature)})
    else:
        write(signature, output, as_base64=as_base64)
