"""`kmsd import`: one's own material for CMKs of the origin EXTERNAL."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kmsd.cli.connect import connects
from kmsd.cli.key_values import Date
from kmsd.cli.output import encoded, say_record, write
from kmsd.cli.values import date
from kmsd.client import KmipError, SyncClient
from kmsd.domain.key_specs import KEY_SPECS
from kmsd.domain.transport import RSA_SPECS, TRANSPORTS
from protocol.enums import ResultReason
from protocol.operations.get_parameters_for_import import GetParametersForImportResponse


@click.group("import")
def import_() -> None:
    """Bring material for a CMK: in one step with `key`, or wrapped elsewhere, with `parameters` and `material`."""


_SPEC = click.option(
    "--wrapping-key",
    "spec",
    type=click.Choice([*RSA_SPECS, "EC_SM2"], case_sensitive=False),
    default="RSA_3072",
    show_default=True,
    help="The public key to wrap under.",
)
_EXPIRES = click.option("--expires", type=Date(), help="When the material is destroyed.  [default: never]")


def _say(key: str, version: str, expires: int | None, as_json: bool) -> None:
    record = {"unique_identifier": key, "primary_version": version, "state": "Enabled"}
    if expires is not None:
        record["material_expires"] = date(expires)
    say_record(record, as_json)


@import_.command()
@connects
@click.argument("key")
@click.option("--algorithm", type=click.Choice(list(TRANSPORTS), case_sensitive=False), required=True)
@_SPEC
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="For the public key, in DER.")
def parameters(client: SyncClient, *, key: str, algorithm: str, spec: str, output: Path | None, as_json: bool) -> None:
    """Get a public key to wrap material under, and the token that goes with it: for 24 hours, and once."""
    given = client.get_parameters_for_import(key, algorithm, spec)
    record = {
        "unique_identifier": given.unique_identifier,
        "import_token": given.import_token,
        "expires": date(given.token_expire_time),
    }
    if output is None:
        record["public_key"] = encoded(given.wrapping_public_key)
    else:
        write(given.wrapping_public_key, output)
    say_record(record, as_json)


@import_.command()
@connects
@click.argument("key")
@click.argument("source", metavar="FILE", type=click.File("rb"))
@click.option("--token", required=True, help="What came with the public key.")
@_EXPIRES
def material(client: SyncClient, *, key: str, source: BinaryIO, token: str, expires: int | None, as_json: bool) -> None:
    """Import material that is wrapped already."""
    done = client.import_key_material(key, source.read(), token, expires=expires)
    _say(done.cmk_identifier, done.unique_identifier, expires, as_json)


@import_.command("key")
@connects
@click.argument("key")
@click.argument("source", metavar="FILE", type=click.File("rb"))
@click.option(
    "--algorithm",
    type=click.Choice(
        [name for name, row in TRANSPORTS.items() if set(row.specs) & set(RSA_SPECS)], case_sensitive=False
    ),
    help="[default: RSAES_OAEP_SHA_256; for private keys RSA_AES_KEY_WRAP_SHA_256; SHA_1 where an HSM lacks it]",
)
@_SPEC
@_EXPIRES
def key_(
    client: SyncClient,
    *,
    key: str,
    source: BinaryIO,
    algorithm: str | None,
    spec: str,
    expires: int | None,
    as_json: bool,
) -> None:
    """Wrap and import the bytes of a symmetric key, or a private key in PKCS#8, PEM or DER. It leaves this machine
    wrapped only."""
    from kmsd.cli.wrapping import der, wrapped  # noqa: PLC0415 (cryptography, which only this command needs)

    plain = der(source.read())
    algorithms = (algorithm,) if algorithm is not None else _usual(client.describe_cmk(key).metadata.key_spec)
    given, chosen = _offered(client, key, algorithms, spec)
    sent = wrapped(given.wrapping_public_key, TRANSPORTS[chosen], plain)
    done = client.import_key_material(key, sent, given.import_token, expires=expires)
    _say(done.cmk_identifier, done.unique_identifier, expires, as_json)


def _usual(key_spec: str) -> tuple[str, ...]:
    """What to wrap material of this specification with; not every HSM has OAEP with SHA-256."""
    if KEY_SPECS[key_spec].pair:
        return "RSA_AES_KEY_WRAP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1"
    return "RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"


def _offered(
    client: SyncClient, key: str, algorithms: tuple[str, ...], spec: str
) -> tuple[GetParametersForImportResponse, str]:
    """The parameters for the first of the algorithms that the server offers, and its name."""
    *preferred, last = algorithms
    for algorithm in preferred:
        try:
            return client.get_parameters_for_import(key, algorithm, spec), algorithm
        except KmipError as error:
            if error.reason not in _NOT_OFFERED:
                raise
    return client.get_parameters_for_import(key, last, spec), last


_NOT_OFFERED = (ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, ResultReason.FEATURE_NOT_SUPPORTED)


@import_.command()
@connects
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(client: SyncClient, *, key: str, yes: bool, as_json: bool) -> None:
    """Destroy the imported material of a CMK. Only the same material can be imported again."""
    if not yes:
        click.confirm(f"Destroy the material of {key}?", abort=True, err=True)
    done = client.delete_key_material(key)
    say_record({"unique_identifier": done.unique_identifier, "state": "PendingImport"}, as_json)
