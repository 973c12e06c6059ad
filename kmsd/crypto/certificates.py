"""What a certificate says of itself, as attributes: KMIP 1.4 §3.8-3.16, 2.1 §4.6-4.9 and §4.61-4.63."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from kmsd.crypto.errors import KeyMaterialError
from protocol.attributes import Attribute
from protocol.enums import CertificateType
from protocol.enums import DigitalSignatureAlgorithm as Signature
from protocol.objects import Certificate
from protocol.structures import (
    CertificateIdentifier,
    CertificateIssuer,
    CertificateSubject,
    X509CertificateIdentifier,
    X509CertificateIssuer,
    X509CertificateSubject,
)

_SIGNATURES: Mapping[x509.ObjectIdentifier, Signature] = {
    SignatureAlgorithmOID.RSA_WITH_MD5: Signature.MD5_WITH_RSA_ENCRYPTION,
    SignatureAlgorithmOID.RSA_WITH_SHA1: Signature.SHA_1_WITH_RSA_ENCRYPTION,
    SignatureAlgorithmOID.RSA_WITH_SHA224: Signature.SHA_224_WITH_RSA_ENCRYPTION,
    SignatureAlgorithmOID.RSA_WITH_SHA256: Signature.SHA_256_WITH_RSA_ENCRYPTION,
    SignatureAlgorithmOID.RSA_WITH_SHA384: Signature.SHA_384_WITH_RSA_ENCRYPTION,
    SignatureAlgorithmOID.RSA_WITH_SHA512: Signature.SHA_512_WITH_RSA_ENCRYPTION,
    SignatureAlgorithmOID.RSASSA_PSS: Signature.RSASSA_PSS,
    SignatureAlgorithmOID.DSA_WITH_SHA1: Signature.DSA_WITH_SHA_1,
    SignatureAlgorithmOID.DSA_WITH_SHA224: Signature.DSA_WITH_SHA224,
    SignatureAlgorithmOID.DSA_WITH_SHA256: Signature.DSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: Signature.ECDSA_WITH_SHA_1,
    SignatureAlgorithmOID.ECDSA_WITH_SHA224: Signature.ECDSA_WITH_SHA224,
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: Signature.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: Signature.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: Signature.ECDSA_WITH_SHA512,
}

NAME_PARTS: Mapping[x509.ObjectIdentifier, str] = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.EMAIL_ADDRESS: "Email",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.USER_ID: "UID",
    NameOID.SERIAL_NUMBER: "Serial Number",
    NameOID.TITLE: "Title",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.DN_QUALIFIER: "DN Qualifier",
}
"""RFC 2253's parts of a name that are attributes of their own (KMIP 2.1 §4.6)."""


def attributes_of(certificate: Certificate) -> list[Attribute]:
    """Type, Length in bytes, and of an X.509 certificate its names, serial number and signature algorithm.

    Raises KeyMaterialError for an X.509 certificate that does not parse.
    """
    value = certificate.certificate_value
    found = [
        Attribute("Certificate Type", certificate.certificate_type),
        Attribute("Certificate Length", len(value)),
    ]
    if certificate.certificate_type == CertificateType.X_509:
        try:
            found += _of_x509(x509.load_der_x509_certificate(value))
        except ValueError as error:
            raise KeyMaterialError("the X.509 certificate does not parse") from error
    return found


def _of_x509(parsed: x509.Certificate) -> Iterator[Attribute]:
    issuer, subject = parsed.issuer.public_bytes(), parsed.subject.public_bytes()
    serial = _integer(parsed.serial_number)
    yield Attribute(
        "X.509 Certificate Identifier",
        X509CertificateIdentifier(
            issuer_distinguished_name=issuer, certificate_serial_number=bytes((2, len(serial))) + serial
        ),
    )
    yield Attribute("X.509 Certificate Subject", X509CertificateSubject(subject_distinguished_name=subject))
    yield Attribute("X.509 Certificate Issuer", X509CertificateIssuer(issuer_distinguished_name=issuer))
    issuer_text = parsed.issuer.rfc4514_string()
    # As text it is the number without the sign byte that DER needs.
    digits = serial.removeprefix(b"\0").hex().upper()
    yield Attribute("Certificate Identifier", CertificateIdentifier(issuer=issuer_text, serial_number=digits))
    yield Attribute(
        "Certificate Subject",
        CertificateSubject(
            certificate_subject_distinguished_name=parsed.subject.rfc4514_string(),
            certificate_subject_alternative_names=_alternatives(parsed, x509.SubjectAlternativeName),
        ),
    )
    yield Attribute(
        "Certificate Issuer",
        CertificateIssuer(
            certificate_issuer_distinguished_name=issuer_text,
            certificate_issuer_alternative_names=_alternatives(parsed, x509.IssuerAlternativeName),
        ),
    )
    for side, name in (("Subject", parsed.subject), ("Issuer", parsed.issuer)):
        for part in name:
            if part.oid in NAME_PARTS:
                yield Attribute(f"Certificate {side} {NAME_PARTS[part.oid]}", str(part.value))
    signature = _SIGNATURES.get(parsed.signature_algorithm_oid)
    if signature is not None:
        yield Attribute("Digital Signature Algorithm", signature)


def _integer(number: int) -> bytes:
    """The content of a DER INTEGER; serial numbers have at most 20 bytes (RFC 5280 §4.1.2.2), so far fewer than 128."""
    content = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    if len(content) > 127:
        raise ValueError("the serial number is too long")
    return content


def _alternatives(
    parsed: x509.Certificate, kind: type[x509.SubjectAlternativeName | x509.IssuerAlternativeName]
) -> tuple[str, ...]:
    """Mail, DNS and IP names and URIs as text."""
    try:
        names = parsed.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return ()
    kinds = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier, x509.IPAddress)
    return tuple(str(name.value) for name in names if isinstance(name, kinds))
