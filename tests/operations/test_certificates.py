"""What a registered certificate says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from protocol.attributes import Attribute, Template
from protocol.enums import (
    CertificateType,
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    KeyFormatType,
    ObjectType,
    ResultReason,
)
from protocol.objects import Certificate
from protocol.operations.register import RegisterRequest
from protocol.versions import V1_0, V1_4, V2_1
from tests.operations.conftest import Caller
from tests.operations.requests import attributes, shown

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "AU"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        x509.NameAttribute(NameOID.COMMON_NAME, "leaf"),
    ]
)
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])


def certificate(serial: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(ISSUER, SUBJECT, key.public_key(), serial, NOW, NOW + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("leaf.example")]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def register(value: bytes, *more: Attribute, kind: CertificateType = CertificateType.X_509) -> RegisterRequest:
    wire = Certificate(certificate_type=kind, certificate_value=value)
    return RegisterRequest(
        object_type=ObjectType.CERTIFICATE, attributes=Template(attributes=more), managed_object=wire
    )


async def test_an_x509_certificate_shows_its_names_serial_number_and_signature(app: Caller) -> None:
    value = certificate(0xDADA)
    uid = (await app.call(register(value))).unique_identifier
    seen = shown(await app.at(V1_4).call(attributes(uid)))
    assert seen["Certificate Type"] == CertificateType.X_509
    assert seen["Certificate Length"] == len(value)
    assert seen["Certificate Identifier"].issuer == "CN=authority"
    assert seen["Certificate Identifier"].serial_number == "DADA"
    assert seen["X.509 Certificate Identifier"].certificate_serial_number == bytes.fromhex("020300dada")
    assert seen["X.509 Certificate Identifier"].issuer_distinguished_name == ISSUER.public_bytes()
    assert seen["Certificate Subject"].certificate_subject_distinguished_name == "CN=leaf,O=Example,C=AU"
    assert seen["Certificate Subject"].certificate_subject_alternative_names == ("leaf.example",)
    assert seen["X.509 Certificate Subject"].subject_distinguished_name == SUBJECT.public_bytes()
    assert seen["Certificate Subject O"] == "Example"
    assert seen["Certificate Issuer CN"] == "authority"
    assert seen["Digital Signature Algorithm"] == DigitalSignatureAlgorithm.ECDSA_WITH_SHA256
    assert seen["Cryptographic Algorithm"] == CryptographicAlgorithm.EC
    assert seen["Digest"].key_format_type == KeyFormatType.RAW


async def test_each_version_shows_the_attributes_that_it_has(app: Caller) -> None:
    uid = (await app.call(register(certificate(7)))).unique_identifier
    old = shown(await app.at(V1_0).call(attributes(uid)))
    assert "Certificate Identifier" in old
    assert "Certificate Length" not in old
    new = shown(await app.at(V2_1).call(attributes(uid)))
    assert "Certificate Identifier" not in new
    assert new["Certificate Subject CN"] == "leaf"


async def test_a_certificate_of_another_type_than_stated_is_refused(app: Caller) -> None:
    stated = Attribute("Certificate Type", CertificateType.PGP)
    assert await app.refused(register(certificate(7), stated)) == ResultReason.INVALID_FIELD


async def test_a_pgp_certificate_is_kept_as_it_is(app: Caller) -> None:
    uid = (await app.call(register(b"not parsed", kind=CertificateType.PGP))).unique_identifier
    seen = shown(await app.call(attributes(uid)))
    assert (seen["Certificate Type"], seen["Certificate Length"]) == (CertificateType.PGP, 10)


@pytest.mark.parametrize("value", [b"", b"\x30\x03\x02\x01\x01", certificate(7)[:-1]])
async def test_what_is_no_certificate_is_refused(app: Caller, value: bytes) -> None:
    assert await app.refused(register(value)) == ResultReason.INVALID_FIELD
