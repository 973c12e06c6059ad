"""`kmsd sign`, and what it shares with `kmsd verify`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

from kmsd.cli.connect import connects, find
from kmsd.cli.files import from_file, to_file
from kmsd.cli.output import encoded, say_json, write
from kmsd.cli.progress import chunks
from kmsd.client import SyncClient, requests
from kmsd.crypto.parameters import WHOLE_SIGNATURES
from protocol.enums import HashingAlgorithm, PaddingMethod
from protocol.structures import CryptographicParameters
from protocol.versions import V1_4

HASHES = {
    "SHA-256": HashingAlgorithm.SHA_256,
    "SHA-384": HashingAlgorithm.SHA_384,
    "SHA-512": HashingAlgorithm.SHA_512,
}
_DEFAULT = "SHA-256"
WHOLE = 16 << 20
"""Bytes that are read to be signed as they are; the server takes as many as its frame size says."""
PADDINGS = {"PKCS1": PaddingMethod.PKCS1_V1_5, "PSS": PaddingMethod.PSS}


def scheme_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which kind of signature; both sides must say the same."""
    hashing = click.option(
        "--hash",
        "hashing",
        type=click.Choice(list(HASHES), case_sensitive=False),
        help=f"[default: {_DEFAULT}]",
    )
    padding = click.option(
        "--padding", type=click.Choice(list(PADDINGS), case_sensitive=False), help="Of an RSA key.  [default: PKCS1]"
    )
    return hashing(padding(command))


def what_to_sign(
    client: SyncClient, uid: str, source: BinaryIO, hashing: str | None, padding: str | None
) -> tuple[CryptographicParameters, dict[str, Any]]:
    """The parameters, and the data as the request carries them.

    That is their digest where the key signs one and KMIP has a field for it (1.4), so that any size will do; else the
    data themselves, which one request must carry. Raises UsageError where none can.
    """
    whole = _is_whole(client, uid)
    parameters = CryptographicParameters(
        hashing_algorithm=HASHES[hashing or _DEFAULT] if hashing or not whole else None,
        padding_method=None if padding is None else PADDINGS[padding],
    )
    if whole or (client.version is not None and client.version < V1_4):
        data = source.read(WHOLE + 1)
        if len(data) > WHOLE:
            raise click.UsageError(f"what is signed here is the data, not a digest: at most {WHOLE >> 20} MiB")
        return parameters, {"data": data}
    digest = hashlib.new((hashing or _DEFAULT).replace("-", ""))
    with chunks(source, "Reading") as pieces:
        for piece in pieces:
            digest.update(piece)
    return parameters, {"digested_data": digest.digest()}


def _is_whole(client: SyncClient, uid: str) -> bool:
    """Whether the key's algorithm hashes the data itself; who may not know its attributes is taken to sign digests."""
    [described] = client.batch([requests.get_attributes(uid, "Cryptographic Algorithm")])
    found = described.payload.attributes if described.error is None else ()
    return any(attribute.value in WHOLE_SIGNATURES for attribute in found)


@click.command()
@connects
@click.argument("key")
@from_file
@to_file
@scheme_options
def sign(
    client: SyncClient,
    *,
    key: str,
    source: BinaryIO,
    output: Path | None,
    as_base64: bool,
    hashing: str | None,
    padding: str | None,
    as_json: bool,
) -> None:
    """Sign a file or standard input with a private key. RSA: PKCS#1 v1.5 or PSS; EC: ECDSA, in DER.

    A digest of the file is sent, so that any size will do; but to Ed25519, SM2 and ML-DSA keys the file itself.
    """
    uid = find(client, key)
    parameters, data = what_to_sign(client, uid, source, hashing, padding)
    answer = client.sign(uid, parameters=parameters, **data)
    signature = answer.signature_data or b""
    if as_json and output is None:
        say_json({"unique_identifier": answer.unique_identifier, "signature": encoded(signature)})
    else:
        write(signature, output, as_base64=as_base64)
