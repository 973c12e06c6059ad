"""`kmsd key create`."""

from __future__ import annotations

from typing import Any

import click

from kmsd.cli.connect import Refused, connects
from kmsd.cli.output import say_record
from kmsd.cli.values import Named, NamedBits, plain
from kmsd.client import SyncClient, requests
from kmsd.domain.algorithms import EC_ALGORITHMS, PAIRS
from kmsd.domain.making import PROTECTION_ATTRIBUTE, storage_mask
from kmsd.domain.objects import ProtectionLevel
from protocol.attributes import Attribute
from protocol.enums import (
    BatchErrorContinuationOption,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    RecommendedCurve,
)
from protocol.names import Tag
from protocol.structures import ProtectionStorageMasks
from protocol.ttlv import Item, ItemType
from protocol.versions import V2_0, ProtocolVersion

Algorithm = CryptographicAlgorithm
Usage = CryptographicUsageMask

RSA_LENGTH = 3072
"""Bits, unless asked otherwise: as strong as AES-128 (NIST SP 800-57 part 1, table 2)."""

MAC_USAGE = Usage.MAC_GENERATE | Usage.MAC_VERIFY
PRIVATE_USAGES = Usage.SIGN | Usage.DECRYPT | Usage.UNWRAP_KEY | Usage.KEY_AGREEMENT | Usage.CERTIFICATE_SIGN
PUBLIC_USAGES = Usage.VERIFY | Usage.ENCRYPT | Usage.WRAP_KEY | Usage.KEY_AGREEMENT


@click.command()
@connects
@click.option("--name", help="The key's name. The public key of a pair is NAME-public.")
@click.option(
    "--algorithm",
    type=Named(Algorithm, "Cryptographic Algorithm"),
    default="AES",
    show_default=True,
    help="Or RSA, EC, HMAC-SHA256, ...",
)
@click.option("--length", type=click.IntRange(min=1), help="In bits.  [default: the server's; RSA: 3072]")
@click.option("--curve", type=Named(RecommendedCurve, "Recommended Curve"), help="Of an EC key.  [default: P-256]")
@click.option(
    "--usage",
    type=NamedBits(Usage, "Cryptographic Usage"),
    help="Separated by commas; a pair shares them out.  [default: Encrypt,Decrypt; Sign,Verify; or "
    "MACGenerate,MACVerify]",
)
@click.option(
    "--protection",
    type=click.Choice([level.value for level in ProtectionLevel], case_sensitive=False),
    help="Where the key lives.  [default: as the tenant's configuration says]",
)
@click.option("--activate/--no-activate", default=True, show_default=True, help="Let it be used at once.")
def create(  # noqa: PLR0913 (click passes each option by name)
    client: SyncClient,
    *,
    name: str | None,
    algorithm: Algorithm,
    length: int | None,
    curve: RecommendedCurve | None,
    usage: Usage | None,
    protection: str | None,
    activate: bool,
    as_json: bool,
) -> None:
    """Create a key, or a pair of keys where the algorithm has two."""
    attributes, masks = asked_protection(protection, client.version)
    common: dict[str, Any] = {"attributes": attributes, "protection_storage_masks": masks}
    if algorithm in PAIRS:
        usage = usage if usage is not None else Usage.SIGN | Usage.VERIFY
        elliptic = algorithm in EC_ALGORITHMS
        pair = client.create_key_pair(
            algorithm,
            length or RSA_LENGTH if algorithm == Algorithm.RSA else length,
            curve=curve or (RecommendedCurve.P_256 if elliptic and length is None else None),
            private_usage=usage & PRIVATE_USAGES,
            public_usage=usage & PUBLIC_USAGES,
            private_name=name,
            public_name=None if name is None else f"{name}-public",
            **common,
        )
        made = {
            "private_key_unique_identifier": pair.private_key_unique_identifier,
            "public_key_unique_identifier": pair.public_key_unique_identifier,
        }
    else:
        if curve is not None:
            raise click.UsageError(f"{plain(algorithm)} keys have no curve")
        if usage is None:
            usage = MAC_USAGE if algorithm.name.startswith("HMAC") else Usage.ENCRYPT | Usage.DECRYPT
        made = {"unique_identifier": client.create(algorithm, length, usage, name=name, **common).unique_identifier}
    if activate:
        _activate(client, list(made.values()))
    record: dict[str, Any] = {**made, "state": "Active" if activate else "PreActive"}
    say_record({**record, "name": name} if name is not None else record, as_json)


def _activate(client: SyncClient, uids: list[str]) -> None:
    outcomes = client.batch([requests.activate(uid) for uid in uids], BatchErrorContinuationOption.CONTINUE)
    for uid, outcome in zip(uids, outcomes, strict=True):
        if outcome.error is not None:
            raise Refused(f"{uid} is created, but not active: {outcome.error}")


def asked_protection(
    level: str | None, version: ProtocolVersion | None
) -> tuple[list[Attribute], ProtectionStorageMasks | None]:
    """How a request says SOFTWARE or HSM: 2.x has Protection Storage Masks, 1.x a custom attribute of kmsd's."""
    if level is None:
        return [], None
    if version is not None and version >= V2_0:
        return [], ProtectionStorageMasks(masks=(storage_mask(ProtectionLevel(level)),))
    return [Attribute(PROTECTION_ATTRIBUTE, Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, level))], None
