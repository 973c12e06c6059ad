"""Certificate chains: good, broken in each way, and those that nobody here can judge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from kmsd.crypto import chains
from kmsd.crypto.errors import InvalidParametersError, KeyMaterialError
from protocol.enums import ValidityIndicator

NOW = 1_800_000_000
DAY = 86400
VALID, INVALID, UNKNOWN = ValidityIndicator.VALID, ValidityIndicator.INVALID, ValidityIndicator.UNKNOWN
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "middle", "leaf", "other")}


def make(
    subject: str,
    issuer: str,
    *extensions: tuple[x509.ExtensionType, bool],
    ca: bool | None = None,
    path_length: int | None = None,
    start: int = NOW - DAY,
    end: int = NOW + DAY,
    key: str | None = None,
    signer: str | None = None,
) -> bytes:
    """A certificate, DER; `ca` None: without Basic Constraints."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={subject}"))
        .issuer_name(x509.Name.from_rfc4514_string(f"CN={issuer}"))
        .public_key(KEYS[key or subject].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(KEYS[signer or issuer], hashes.SHA256()).public_bytes(Encoding.DER)


ROOT = make("root", "root", ca=True)
MIDDLE = make("middle", "root", ca=True, path_length=0)
LEAF = make("leaf", "middle")


def judge(*values: bytes, anchors: tuple[bytes, ...] = (ROOT,), at: int = NOW) -> ValidityIndicator:
    return chains.judge(values, anchors, at)


def test_a_chain_to_an_anchor_is_valid_in_any_order_with_or_without_it() -> None:
    assert judge(LEAF, MIDDLE) == VALID
    assert judge(MIDDLE, LEAF, ROOT) == VALID
    assert judge(LEAF, LEAF, MIDDLE) == VALID
    assert judge(MIDDLE) == VALID
    assert judge(ROOT) == VALID
    assert judge(LEAF, anchors=(MIDDLE,)) == VALID


def test_without_an_anchor_nobody_knows() -> None:
    assert judge(LEAF, MIDDLE, ROOT, anchors=()) == UNKNOWN
    assert judge(LEAF, MIDDLE, anchors=(make("other", "other", ca=True),)) == UNKNOWN
    assert judge(LEAF) == UNKNOWN


@pytest.mark.parametrize("at", [NOW - 2 * DAY, NOW + 2 * DAY])
def test_every_certificate_must_be_in_its_dates(at: int) -> None:
    assert judge(LEAF, MIDDLE, at=at) == INVALID
    short_root = make("root", "root", ca=True, end=NOW - 1)
    assert judge(LEAF, MIDDLE, anchors=(short_root,)) == INVALID


@pytest.mark.parametrize(
    "middle",
    [
        make("middle", "root"),
        make("middle", "root", ca=False),
        make("middle", "root", ca=True, signer="other"),
        make("middle", "root", ca=True, key="other"),
        make("middle", "root", (x509.KeyUsage(*(True,), *(False,) * 8), True), ca=True),
    ],
    ids=["no constraints", "no authority", "forged", "another key", "not for certificates"],
)
def test_what_is_wrong_with_an_authority_is_wrong_with_the_chain(middle: bytes) -> None:
    assert judge(LEAF, middle) == INVALID


def test_a_path_is_no_longer_than_its_authority_allows() -> None:
    root = make("root", "root", ca=True, path_length=0)
    assert judge(LEAF, MIDDLE, anchors=(root,)) == INVALID
    assert judge(make("leaf", "root"), anchors=(root,)) == VALID


def test_a_forged_root_is_no_root() -> None:
    forged = make("root", "root", ca=True, signer="other")
    assert judge(forged, anchors=()) == INVALID


@pytest.mark.parametrize(
    "extension",
    [
        (x509.NameConstraints([x509.DNSName("example")], None), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
    ],
)
def test_constraints_that_are_not_judged_leave_the_verdict_open(extension: Any) -> None:
    assert judge(make("leaf", "root", extension)) == UNKNOWN
    oid = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert judge(make("leaf", "root", (oid, False))) == VALID


def test_an_authority_whose_name_has_two_keys_is_told_apart_by_its_key_identifier() -> None:
    identifiers = {key: x509.SubjectKeyIdentifier.from_public_key(KEYS[key].public_key()) for key in ("root", "other")}
    roots = [make("root", "root", (own, False), ca=True, key=key, signer=key) for key, own in identifiers.items()]
    for key, own in identifiers.items():
        wanted = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        assert judge(make("leaf", "root", (wanted, False), signer=key), anchors=tuple(roots)) == VALID


def test_what_is_no_one_chain_is_refused() -> None:
    for values in ((LEAF, ROOT), (make("other", "middle"), LEAF, MIDDLE), ()):
        with pytest.raises(InvalidParametersError):
            judge(*values)
    with pytest.raises(InvalidParametersError):
        judge(*(make("leaf", "leaf") for _ in range(chains.LONGEST + 1)))
    for value in (b"", b"nothing", LEAF[:-1]):
        with pytest.raises(KeyMaterialError):
            judge(value)
