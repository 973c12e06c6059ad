"""`kmsd key get`."""

from __future__ import annotations

import base64
import sys
import textwrap
from pathlib import Path

import click

from kmsd.cli.connect import Refused, connects, find
from kmsd.cli.output import encoded, say_record, write
from kmsd.cli.values import Named, plain
from kmsd.client import SyncClient
from protocol.enums import KeyFormatType, ObjectType
from protocol.objects import OBJECT_TYPES, Certificate, CertificateRequest, KeyValue, ManagedObject, OpaqueObject

# What a client gets unless it asks for another format: what other programs read.
FORMATS = {ObjectType.PRIVATE_KEY: KeyFormatType.PKCS_8, ObjectType.PUBLIC_KEY: KeyFormatType.X_509}

PEM_LABELS = {
    (ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8): "PRIVATE KEY",
    (ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_1): "RSA PRIVATE KEY",
    (ObjectType.PRIVATE_KEY, KeyFormatType.EC_PRIVATE_KEY): "EC PRIVATE KEY",
    (ObjectType.PUBLIC_KEY, KeyFormatType.X_509): "PUBLIC KEY",
    (ObjectType.PUBLIC_KEY, KeyFormatType.PKCS_1): "RSA PUBLIC KEY",
    (ObjectType.CERTIFICATE, None): "CERTIFICATE",
    (ObjectType.CERTIFICATE_REQUEST, None): "CERTIFICATE REQUEST",
}
PUBLIC = frozenset({ObjectType.PUBLIC_KEY, ObjectType.CERTIFICATE, ObjectType.CERTIFICATE_REQUEST})


@click.command()
@connects
@click.argument("key")
@click.option("--format", "key_format", type=Named(KeyFormatType, "Key Format Type"), help="PKCS_8, X_509, Raw, ...")
@click.option(
    "--encoding",
    type=click.Choice(["base64", "hex", "pem", "raw"]),
    help="Of the output.  [default: pem for asymmetric keys and certificates, else base64]",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, for its owner only.")
@click.option("--show", is_flag=True, help="Print a secret on a terminal.")
def get(
    client: SyncClient,
    *,
    key: str,
    key_format: KeyFormatType | None,
    encoding: str | None,
    output: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Fetch a key itself, where it may leave the server at all."""
    uid = find(client, key)
    if key_format is None:
        attributes = client.get_attributes(uid, "Object Type").attributes
        key_format = next((FORMATS.get(a.value) for a in attributes if a.name == "Object Type"), None)
    found = client.get(uid, key_format_type=key_format)
    kind = OBJECT_TYPES[type(found.managed_object)]
    if output is None and not show and kind not in PUBLIC and sys.stdout.isatty():
        raise click.UsageError("a secret is not printed on a terminal: use --output FILE, or --show")
    value, kept = value_of(found.managed_object)
    if as_json and output is None:
        record = {
            "unique_identifier": found.unique_identifier,
            "object_type": plain(kind),
            "key_format_type": plain(kept),
            "value": encoded(value),
        }
        say_record(record, as_json=True)
        return
    label = PEM_LABELS.get((kind, kept))
    data = encode(value, encoding or ("pem" if label is not None else "base64"), label)
    write(data, output, secret=True)


def value_of(found: ManagedObject) -> tuple[bytes, KeyFormatType | None]:
    """The bytes of an object, and their Key Format Type where it is a key. Raises Refused for what has none."""
    if isinstance(found, Certificate):
        return found.certificate_value, None
    if isinstance(found, CertificateRequest):
        return found.certificate_request_value, None
    if isinstance(found, OpaqueObject):
        return found.opaque_data_value, None
    block = getattr(found, "key_block", None)
    value = block.key_value if block is not None else None
    material = value.key_material if isinstance(value, KeyValue) else value
    if block is None or not isinstance(material, bytes):
        raise Refused("the server gave the object in a form that is no bytes: ask for another --format")
    return material, block.key_format_type


def encode(value: bytes, encoding: str, label: str | None) -> bytes:
    if encoding == "raw":
        return value
    if encoding == "hex":
        return value.hex().encode() + b"\n"
    text = base64.b64encode(value).decode()
    if encoding == "base64":
        return text.encode() + b"\n"
    if label is None:
        raise click.UsageError("there is no PEM for an object of this type and format")
    return "\n".join([f"-----BEGIN {label}-----", *textwrap.wrap(text, 64), f"-----END {label}-----", ""]).encode()
