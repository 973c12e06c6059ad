"""`kmsd verify`."""

from __future__ import annotations

import base64
import binascii
from typing import BinaryIO

import click

from kmsd.cli.connect import Refused, connects, find
from kmsd.cli.files import from_file
from kmsd.cli.output import say_record
from kmsd.cli.sign import scheme_options, what_to_sign
from kmsd.client import SyncClient
from protocol.enums import ValidityIndicator


@click.command()
@connects
@click.argument("key")
@from_file
@click.option("--signature", type=click.File("rb"), required=True, help="The file that `kmsd sign` made.")
@click.option("--base64", "as_base64", is_flag=True, help="The signature is in base64.")
@scheme_options
def verify(
    client: SyncClient,
    *,
    key: str,
    source: BinaryIO,
    signature: BinaryIO,
    as_base64: bool,
    hashing: str | None,
    padding: str | None,
    as_json: bool,
) -> None:
    """Verify the signature of a file or standard input with a public key; exit with 1 where it is wrong."""
    given = signature.read()
    if as_base64:
        try:
            given = base64.b64decode(b"".join(given.split()), validate=True)
        except binascii.Error as error:
            raise click.UsageError("the signature is not in base64") from error
    uid = find(client, key)
    parameters, data = what_to_sign(client, uid, source, hashing, padding)
    answer = client.signature_verify(uid, given, parameters=parameters, **data)
    valid = answer.validity_indicator == ValidityIndicator.VALID
    if not valid and not as_json:
        raise Refused("the signature is not valid")
    say_record({"unique_identifier": answer.unique_identifier, "valid": valid}, as_json)
    if not valid:
        click.get_current_context().exit(1)
