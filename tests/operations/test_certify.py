"""Certify: by a declared authority, from requests and from keys alone; what the certificate says, what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from kmsd.operations.declarations import apply_declared
from kmsd.operations.declared import DeclarationError
from kmsd.server.dispatcher import Dispatcher
from kmsd.storage.store import Store
from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import (
    CertificateRequestType,
    CertificateType,
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    KeyFormatType,
    LinkType,
    ObjectType,
    Operation,
    QueryFunction,
    RecommendedCurve,
    ResultReason,
    RevocationReasonCode,
    State,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.objects import CertificateRequest, KeyBlock, KeyValue, PublicKey
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.certify import CertifyRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.get import GetResponse
from protocol.operations.locate import LocateRequest
from protocol.operations.query import QueryRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import CertificateSubject
from protocol.versions import SUPPORTED, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Refused, Server, tenant_settings
from tests.operations.requests import attributes, create, get, name, pair, revoke, shown
from tests.operations.test_re_key import links, names

PKCS_10, PEM = CertificateRequestType.PKCS_10, CertificateRequestType.PEM
DAY = 86400

AUTHORITY = {
    "keys": {"ca": {"algorithm": "EC", "curve": "P_384", "usage": ("CertificateSign", "Verify")}},
    "certificate_authority": {
        "private_key": "ca",
        "certificate": "ca-certificate",
        "subject": "CN=Issuing CA,O=Example",
        "validity": "30d",
    },
}


@asynccontextmanager
async def with_authority(path: Path, nursery: trio.Nursery, **changes: Any) -> AsyncIterator[Server]:
    """A server whose tenant `acme` has an authority, and `bank` none."""
    with Store.open(path / "kmsd.db") as store:
        await nursery.start(store.run)
        server = Server(store, {"acme": tenant_settings(**{**AUTHORITY, **changes}), "bank": tenant_settings()})
        await apply_declared(server.services, server.settings)
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Server]:
    async with with_authority(tmp_path, nursery) as made:
        yield made


async def certificate_of(app: Caller, uid: str) -> x509.Certificate:
    answer = (await app.call(get(uid))).managed_object
    assert answer.certificate_type == CertificateType.X_509
    return x509.load_der_x509_certificate(answer.certificate_value)


async def authority_of(app: Caller, called: str = "ca-certificate") -> x509.Certificate:
    found = await app.call(LocateRequest(attributes=(name(called),)))
    return await certificate_of(app, found.unique_identifiers[0])


async def public_key(app: Caller, *more: Attribute) -> str:
    request = pair(CryptographicAlgorithm.ECDSA, None, RecommendedCurve.P_256)
    assert request.public_key_attributes is not None
    request.public_key_attributes.attributes += more
    uid = (await app.call(request)).public_key_unique_identifier
    assert isinstance(uid, str)
    return uid


async def register(app: Caller, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """The public key of a client that keeps its private key."""
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm = CryptographicAlgorithm.RSA if isinstance(key, rsa.RSAPrivateKey) else CryptographicAlgorithm.ECDSA
    block = KeyBlock(
        key_format_type=KeyFormatType.X_509,
        key_value=KeyValue(key_material=spki),
        cryptographic_algorithm=algorithm,
        cryptographic_length=key.key_size,
    )
    request = RegisterRequest(
        object_type=ObjectType.PUBLIC_KEY,
        attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", Mask.VERIFY),)),
        managed_object=PublicKey(key_block=block),
    )
    uid = (await app.call(request)).unique_identifier
    assert isinstance(uid, str)
    return uid


def csr(key: Any, *extensions: x509.ExtensionType, subject: str = "CN=client,O=Example") -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(subject))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def certify(
    app: Caller, uid: str | None, value: bytes | None = None, kind: Any = PKCS_10, *asked: Attribute
) -> CertifyRequest:
    """The request of this version, whose Certificate Request has two names."""
    old = app.version < V2_0
    return CertifyRequest(
        unique_identifier=uid,
        certificate_request_type=kind if value is not None else None,
        certificate_request=value if old else None,
        certificate_request_value=None if old else value,
        attributes=Template(attributes=asked) if asked else None,
    )


def p_256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_request_becomes_a_certificate_with_links_and_attributes(app: Caller, version: Any) -> None:
    app = app.at(version)
    key = p_256()
    uid = await register(app, key)
    usage = Attribute("Cryptographic Usage Mask", Mask.SIGN | Mask.VERIFY)
    made = (await app.call(certify(app, uid, csr(key), PKCS_10, usage, name("web")))).unique_identifier
    certificate, authority = await certificate_of(app, made), await authority_of(app)
    certificate.verify_directly_issued_by(authority)
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string() == "CN=client,O=Example"
    assert certificate.issuer.rfc4514_string() == "CN=Issuing CA,O=Example"
    assert certificate.not_valid_before_utc == datetime.fromtimestamp(NOW, UTC)
    assert certificate.not_valid_after_utc == datetime.fromtimestamp(NOW + 30 * DAY, UTC)
    seen = await app.call(attributes(made))
    assert names(seen) == ["web"]
    assert links(seen) == [(LinkType.PUBLIC_KEY_LINK, uid)]
    assert links(await app.call(attributes(uid))) == [(LinkType.CERTIFICATE_LINK, made)]
    told = shown(seen)
    assert told["Certificate Type"] == CertificateType.X_509
    assert (told["Cryptographic Length"], told["State"]) == (256, State.PRE_ACTIVE)
    assert told["Cryptographic Usage Mask"] == Mask.SIGN | Mask.VERIFY
    if version >= (1, 1):
        assert told["Digital Signature Algorithm"] == DigitalSignatureAlgorithm.ECDSA_WITH_SHA384
        assert told["X.509 Certificate Subject"].subject_distinguished_name == certificate.subject.public_bytes()


async def test_no_certificate_is_one_of_an_authority(app: Caller) -> None:
    key = p_256()
    asked = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (await app.call(certify(app, await register(app, key), csr(key, asked)))).unique_identifier
    extensions = (await certificate_of(app, made)).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, False, False)
    authority = csr(key, x509.BasicConstraints(ca=True, path_length=None))
    request = certify(app, await register(app, key), authority)
    assert await app.refused(request) == ResultReason.INVALID_FIELD
    assert await app.at(V2_1).refused(certify(app.at(V2_1), None, authority)) == ResultReason.INVALID_CSR


async def test_names_and_extended_usages_are_granted_and_nothing_else(app: Caller) -> None:
    key = p_256()
    wanted = (
        x509.SubjectAlternativeName([x509.DNSName("www.example")]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.NameConstraints([x509.DNSName("example")], None),
    )
    made = (await app.call(certify(app, await register(app, key), csr(key, *wanted)))).unique_identifier
    extensions = (await certificate_of(app, made)).extensions
    assert [extensions.get_extension_for_class(type(e)).value for e in wanted[:2]] == list(wanted[:2])
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_oid(ExtensionOID.NAME_CONSTRAINTS)
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    own = (await authority_of(app)).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier == own.digest


async def test_a_request_in_pem_alone_is_enough_in_2_x(app: Caller) -> None:
    app = app.at(V2_1)
    key = p_256()
    pem = x509.load_der_x509_csr(csr(key)).public_bytes(Encoding.PEM)
    made = (await app.call(certify(app, None, pem, PEM))).unique_identifier
    assert (await certificate_of(app, made)).public_key() == key.public_key()
    assert links(await app.call(attributes(made))) == []


async def registered_request(app: Caller, value: bytes, kind: CertificateRequestType = PKCS_10) -> str:
    request = RegisterRequest(
        object_type=ObjectType.CERTIFICATE_REQUEST,
        attributes=Template(),
        managed_object=CertificateRequest(certificate_request_type=kind, certificate_request_value=value),
    )
    uid = (await app.call(request)).unique_identifier
    assert isinstance(uid, str)
    return uid


async def test_a_registered_request_is_given_back_and_certified(app: Caller) -> None:
    app = app.at(V2_1)
    key = p_256()
    value = csr(key)
    uid = await registered_request(app, value)
    answer = (await app.call(get(uid))).managed_object
    assert (answer.certificate_request_type, answer.certificate_request_value) == (PKCS_10, value)
    made = (await app.call(certify(app, uid))).unique_identifier
    assert (await certificate_of(app, made)).public_key() == key.public_key()
    assert await app.refused(certify(app, uid, value)) == ResultReason.INVALID_FIELD
    with pytest.raises(Refused, match="parse"):
        await registered_request(app, b"nothing")
    unread = await registered_request(app, b"anything", CertificateRequestType.CRMF)
    assert await app.refused(certify(app, unread)) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_a_key_is_certified_without_a_request(app: Caller) -> None:
    uid = await public_key(app, name("server"))
    x_509 = Attribute("Certificate Type", CertificateType.X_509)
    made = (await app.call(certify(app, uid, None, None, x_509))).unique_identifier
    assert (await certificate_of(app, made)).subject.rfc4514_string() == "CN=server"
    text = CertificateSubject(certificate_subject_distinguished_name="CN=a,O=b")
    made = (
        await app.call(certify(app, uid, None, None, x_509, Attribute("Certificate Subject", text)))
    ).unique_identifier
    assert (await certificate_of(app, made)).subject.rfc4514_string() == "CN=a,O=b"
    newer = app.at(V2_1)
    parts = (Attribute("Certificate Subject C", "CH"), Attribute("Certificate Subject CN", "x"))
    made = (await newer.call(certify(newer, uid, None, None, *parts))).unique_identifier
    assert (await certificate_of(newer, made)).subject.rfc4514_string() == "CN=x,C=CH"
    unnamed = await public_key(app)
    made = (await app.call(certify(app, unnamed, None, None, x_509))).unique_identifier
    assert (await certificate_of(app, made)).subject.rfc4514_string() == f"CN={unnamed}"


async def test_the_dates_of_the_object_are_those_of_the_certificate(app: Caller) -> None:
    uid = await public_key(app)
    dates = (Attribute("Activation Date", NOW + 60), Attribute("Deactivation Date", NOW + 120))
    certificate = await certificate_of(app, (await app.call(certify(app, uid, None, None, *dates))).unique_identifier)
    assert int(certificate.not_valid_before_utc.timestamp()) == NOW + 60
    assert int(certificate.not_valid_after_utc.timestamp()) == NOW + 120


async def test_no_certificate_outlives_its_authority(app: Caller, server: Server) -> None:
    uid = await public_key(app)
    far = Attribute("Deactivation Date", NOW + 100 * 365 * DAY)
    certificate = await certificate_of(app, (await app.call(certify(app, uid, None, None, far))).unique_identifier)
    authority = await authority_of(app)
    assert certificate.not_valid_after_utc == authority.not_valid_after_utc
    server.now += 20 * 365 * DAY
    assert await app.refused(certify(app, uid)) == ResultReason.INVALID_FIELD


async def test_the_placeholder_leads_to_the_certificate(app: Caller) -> None:
    uid = await public_key(app)
    response = await app.batch([certify(app, uid), get()])
    assert isinstance(response.batch_items[1].payload, GetResponse)
    assert response.batch_items[1].payload.object_type == ObjectType.CERTIFICATE


async def test_a_request_that_proves_nothing_is_refused(app: Caller) -> None:
    key, other = p_256(), p_256()
    uid = await register(app, key)
    good = csr(key)
    forged = good[:-1] + bytes((good[-1] ^ 1,))
    for value in (b"", b"nothing", good[:-5], forged, csr(other), csr(key, subject="")):
        assert await app.refused(certify(app, uid, value)) == ResultReason.INVALID_FIELD
        newer = app.at(V2_1)
        assert await newer.refused(certify(newer, uid, value)) == ResultReason.INVALID_CSR
    request = certify(app, uid, good)
    request.certificate_request_type = None
    assert await app.refused(request) == ResultReason.INVALID_FIELD
    for kind in (CertificateRequestType.CRMF, CertificateRequestType.PGP):
        assert await app.refused(certify(app, uid, good, kind)) == ResultReason.FEATURE_NOT_SUPPORTED


def signed_with_sha_1(request: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """The request of an old client: sha1WithRSAEncryption in place of sha256WithRSAEncryption."""
    parsed = x509.load_der_x509_csr(request)
    made = key.sign(parsed.tbs_certrequest_bytes, padding.PKCS1v15(), hashes.SHA1())
    sha_256, sha_1 = (bytes.fromhex(f"06092a864886f70d0101{end}") for end in ("0b", "05"))
    return request.replace(parsed.signature, made).replace(sha_256, sha_1)


async def test_a_request_signed_with_sha_1_proves_possession_all_the_same(app: Caller) -> None:
    app = app.at(V2_1)
    key = rsa.generate_private_key(65537, 2048)
    old = signed_with_sha_1(csr(key), key)
    made = (await app.call(certify(app, None, old))).unique_identifier
    assert (await certificate_of(app, made)).public_key() == key.public_key()
    forged = old[:-1] + bytes((old[-1] ^ 1,))
    assert await app.refused(certify(app, None, forged)) == ResultReason.INVALID_CSR


async def test_keys_that_the_tenant_does_not_allow_are_not_certified(app: Caller) -> None:
    app = app.at(V2_1)
    weak = rsa.generate_private_key(65537, 1024)
    assert await app.refused(certify(app, None, csr(weak))) == ResultReason.PERMISSION_DENIED


async def test_objects_that_are_not_certified(app: Caller, server: Server) -> None:
    uid = await public_key(app)
    symmetric = (await app.call(create())).unique_identifier
    pgp = Attribute("Certificate Type", CertificateType.PGP)
    assert await app.refused(certify(app, symmetric)) == ResultReason.PERMISSION_DENIED
    assert await app.refused(certify(app, uid, None, None, pgp)) == ResultReason.INVALID_FIELD
    newer = app.at(V2_1)
    assert await newer.refused(certify(newer, symmetric)) == ResultReason.INVALID_OBJECT_TYPE
    bad_country = Attribute("Certificate Subject C", "Switzerland")
    assert await newer.refused(certify(newer, uid, None, None, bad_country)) == ResultReason.INVALID_FIELD
    assert await server.caller("acme", "reader").refused(certify(app, uid)) == ResultReason.PERMISSION_DENIED
    assert await server.caller("bank").refused(certify(app, uid)) == ResultReason.FEATURE_NOT_SUPPORTED
    await app.call(revoke(uid, RevocationReasonCode.KEY_COMPROMISE))
    assert await app.refused(certify(app, uid)) == ResultReason.PERMISSION_DENIED


async def test_a_revoked_authority_signs_nothing(app: Caller) -> None:
    found = await app.call(LocateRequest(attributes=(name("ca"),)))
    await app.call(revoke(found.unique_identifiers[0]))
    request = certify(app, await public_key(app))
    assert await app.refused(request) == ResultReason.PERMISSION_DENIED


async def test_query_tells_only_tenants_with_an_authority(app: Caller, server: Server) -> None:
    request = QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,))
    wanted = {Operation.CERTIFY, Operation.RE_CERTIFY}
    assert wanted <= set((await app.call(request)).operations)
    assert not wanted & set((await server.caller("bank").call(request)).operations)


async def test_the_authority_is_made_once_and_names_itself(app: Caller, server: Server) -> None:
    before = await authority_of(app)
    await apply_declared(server.services, server.settings)
    assert await authority_of(app) == before
    before.verify_directly_issued_by(before)
    assert before.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    assert before.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


async def test_an_authority_with_an_rsa_key(tmp_path: Path, nursery: trio.Nursery) -> None:
    keys = {"ca": {"algorithm": "RSA", "length": 2048, "usage": ("CertificateSign",)}}
    async with with_authority(tmp_path, nursery, keys=keys) as server:
        app = server.caller()
        made = (await app.call(certify(app, await public_key(app)))).unique_identifier
        (await certificate_of(app, made)).verify_directly_issued_by(await authority_of(app))
        algorithm = shown(await app.call(attributes(made)))["Digital Signature Algorithm"]
        assert algorithm == DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION


async def test_an_authority_without_its_key_is_a_refused_start(tmp_path: Path, nursery: trio.Nursery) -> None:
    with Store.open(tmp_path / "kmsd.db") as store:
        await nursery.start(store.run)
        server = Server(store, {"acme": tenant_settings(**{**AUTHORITY, "keys": {}})})
        with pytest.raises(DeclarationError, match="no key 'ca'"):
            await apply_declared(server.services, server.settings)
        nursery.cancel_scope.cancel()


async def test_a_key_that_is_not_its_certificates_signs_nothing(tmp_path: Path, nursery: trio.Nursery) -> None:
    async with with_authority(tmp_path, nursery) as server:
        app = server.caller()
        [ca] = (await app.call(LocateRequest(attributes=(name("ca"),)))).unique_identifiers
        request = pair(CryptographicAlgorithm.ECDSA, None, RecommendedCurve.P_384)
        assert request.private_key_attributes is not None
        request.private_key_attributes.attributes = (
            Attribute("Cryptographic Usage Mask", Mask.CERTIFICATE_SIGN),
            Attribute("Activation Date", NOW),
        )
        other = (await app.call(request)).private_key_unique_identifier
        uid = await public_key(app)
        await app.call(DeleteAttributeRequest(unique_identifier=ca, attribute_reference=AttributeReference("Name")))
        await app.call(AddAttributeRequest(unique_identifier=other, new_attribute=name("ca")))
        assert await app.refused(certify(app, uid)) == ResultReason.INVALID_FIELD


async def test_an_authority_in_the_hsm(hsm_server: Server) -> None:
    settings = tenant_settings(
        keys={"hard": {"algorithm": "EC", "curve": "P_256", "usage": ("CertificateSign",), "protection": "HSM"}},
        certificate_authority={"private_key": "hard", "certificate": "hard-certificate", "subject": "CN=Hard CA"},
    )
    tenants = {**hsm_server.services.tenants}
    tenants["acme"] = replace(tenants["acme"], policy=settings.policy)
    hsm_server.services = replace(hsm_server.services, tenants=tenants)
    hsm_server.dispatcher = Dispatcher(hsm_server.services, hsm_server.peers, maximum_items=64)
    await apply_declared(hsm_server.services, {"acme": settings})
    app = hsm_server.caller(version=V2_1)
    [ca] = (await app.call(LocateRequest(attributes=(name("hard"),)))).unique_identifiers
    assert await app.refused(get(ca)) == ResultReason.NOT_EXTRACTABLE
    made = (await app.call(certify(app, await public_key(app)))).unique_identifier
    (await certificate_of(app, made)).verify_directly_issued_by(await authority_of(app, "hard-certificate"))
