"""X.509 certificates: requests read, certificates drafted, signed elsewhere, and put together (RFC 2986, RFC 5280).

The authority's private key is a managed key like any other, in the store or in an HSM, so the signature is made by a
provider. `cryptography` drafts the certificate with a key that is thrown away, of the kind that the authority has;
only the part that is signed is taken from the draft, which does not depend on that key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as paddings
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

from kmsd.crypto import asymmetric, certificates
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError
from protocol.attributes import Attribute
from protocol.enums import CertificateRequestType, DigitalSignatureAlgorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.structures import CryptographicParameters

# What a request may ask for. Everything else in it (policies, name constraints) is the authority's to say.
_GRANTED = (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.EXTENDED_KEY_USAGE)

_USAGES: Mapping[str, Mask] = {
    "digital_signature": Mask.SIGN | Mask.VERIFY,
    "content_commitment": Mask.CONTENT_COMMITMENT,
    "key_encipherment": Mask.WRAP_KEY | Mask.UNWRAP_KEY,
    "data_encipherment": Mask.ENCRYPT | Mask.DECRYPT,
    "key_agreement": Mask.KEY_AGREEMENT | Mask.DERIVE_KEY,
}
"""The Key Usage (RFC 5280 §4.2.1.3) that each usage of a key stands for."""

_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: Mapping[DigitalSignatureAlgorithm, _Hash] = {
    DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION: hashes.SHA256(),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA256: hashes.SHA256(),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA384: hashes.SHA384(),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA512: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be certified."""

    subject: x509.Name
    public_key: asymmetric.ClassicPublicKey
    extensions: tuple[x509.Extension[x509.ExtensionType], ...] = ()

    @property
    def spki(self) -> bytes:
        """The public key as SubjectPublicKeyInfo."""
        return asymmetric.spki(self.public_key)


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate that lacks its signature."""

    tbs: bytes
    """What is signed (RFC 5280 §4.1.1.1)."""
    algorithm: bytes
    """AlgorithmIdentifier of the signature, DER."""
    signer: bytes
    """The public key that verifies the signature, SubjectPublicKeyInfo."""
    parameters: CryptographicParameters
    """How to sign."""

    def signed(self, signature: bytes) -> bytes:
        """The certificate, DER. Raises KeyMaterialError for a signature by another key."""
        value = _tlv(0x30, self.tbs + self.algorithm + _tlv(0x03, b"\0" + signature))
        made = x509.load_der_x509_certificate(value)
        key, function = asymmetric.known_public(asymmetric.load_public(self.signer)), made.signature_hash_algorithm
        assert function is not None  # noqa: S101 -- RSA and ECDSA signatures have one
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, self.tbs, paddings.PKCS1v15(), function)
            else:
                key.verify(signature, self.tbs, ec.ECDSA(function))
        except InvalidSignature:
            raise KeyMaterialError("the authority's private key is not the one of its certificate") from None
        return value


def check_request(kind: CertificateRequestType, value: bytes) -> None:
    """Raise KeyMaterialError for what is no request of its kind, where the kind is one that is read."""
    load = _LOADERS.get(kind)
    if load is None:
        return
    try:
        load(value)
    except ValueError as error:
        raise KeyMaterialError("the certificate request does not parse") from error


def read_request(kind: CertificateRequestType, value: bytes) -> Order:
    """A PKCS#10 request, DER or PEM, whose signature proves that its sender has the private key.

    Raises KeyMaterialError for what is none, UnsupportedError for other kinds of requests.
    """
    load = _LOADERS.get(kind)
    if load is None:
        raise UnsupportedError(f"certificate requests of the type {kind.name} are not read; PKCS#10 and PEM are")
    try:
        request = load(value)
        valid = request.is_signature_valid or _is_signed_with_sha_1(request)
        key = request.public_key()
        wanted = {extension.oid: extension for extension in request.extensions}
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise KeyMaterialError("the certificate request does not parse") from error
    if not valid:
        raise KeyMaterialError("the signature of the certificate request is not that of its key")
    constraints = wanted.get(ExtensionOID.BASIC_CONSTRAINTS)
    if constraints is not None and isinstance(constraints.value, x509.BasicConstraints) and constraints.value.ca:
        raise KeyMaterialError("certificates of authorities are not given out")
    extensions = [wanted[oid] for oid in _GRANTED if oid in wanted]
    usage = wanted.get(ExtensionOID.KEY_USAGE)
    if usage is not None and isinstance(usage.value, x509.KeyUsage):
        extensions.append(x509.Extension(ExtensionOID.KEY_USAGE, True, _without_signing(usage.value)))
    if not request.subject.rdns and ExtensionOID.SUBJECT_ALTERNATIVE_NAME not in wanted:
        raise KeyMaterialError("the certificate request names nobody")
    return Order(request.subject, asymmetric.known_public(key), tuple(extensions))


def _is_signed_with_sha_1(request: x509.CertificateSigningRequest) -> bool:
    """The library takes no SHA-1 any more. That somebody has a key it still proves, and old clients send it, as the
    OASIS case TC-134 does."""
    key, signed = request.public_key(), request.tbs_certrequest_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey) and request.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA1:
            key.verify(request.signature, signed, paddings.PKCS1v15(), hashes.SHA1())  # noqa: S303 -- see above
        elif (
            isinstance(key, ec.EllipticCurvePublicKey)
            and request.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA1
        ):
            key.verify(request.signature, signed, ec.ECDSA(hashes.SHA1()))  # noqa: S303 -- see above
        else:
            return False
    except InvalidSignature:
        return False
    return True


_LOADERS = {
    CertificateRequestType.PKCS_10: x509.load_der_x509_csr,
    CertificateRequestType.PEM: x509.load_pem_x509_csr,
}


def renew(certificate: bytes) -> Order:
    """The subject, key, names and usages of an X.509 certificate, for another one. Raises KeyMaterialError."""
    try:
        old = x509.load_der_x509_certificate(certificate)
        kept = [e for e in old.extensions if e.oid in (*_GRANTED, ExtensionOID.KEY_USAGE)]
        return Order(old.subject, asymmetric.known_public(old.public_key()), tuple(kept))
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise KeyMaterialError("the X.509 certificate does not parse") from error


def for_key(public_key: bytes, subject: x509.Name) -> Order:
    """A public key, SubjectPublicKeyInfo or PKCS#1 DER, under this name. Raises KeyMaterialError."""
    return Order(subject, asymmetric.known_public(asymmetric.load_public(public_key)))


def subject_of(attributes: Iterable[Attribute], otherwise: str) -> x509.Name:
    """The name in Certificate Subject attributes: the text of 1.x (RFC 4514), or the parts of 1.4 and 2.x in their
    order; else `otherwise` as common name.

    Raises KeyMaterialError for what is no name.
    """
    parts = []
    try:
        for attribute in attributes:
            if attribute.name == "Certificate Subject":
                return x509.Name.from_rfc4514_string(attribute.value.certificate_subject_distinguished_name)
            oid = _SUBJECT_PARTS.get(attribute.name)
            if oid is not None:
                parts.append(x509.NameAttribute(oid, attribute.value))
        return x509.Name(parts or [x509.NameAttribute(NameOID.COMMON_NAME, otherwise)])
    except (ValueError, TypeError) as error:
        raise KeyMaterialError(f"the subject is no name: {error}") from error


_SUBJECT_PARTS = {f"Certificate Subject {part}": oid for oid, part in certificates.NAME_PARTS.items()}

SUBJECT_ATTRIBUTES = frozenset({"Certificate Subject", *_SUBJECT_PARTS})
"""Attributes by which a client names the subject where no certificate request does."""


def parse_name(text: str) -> x509.Name:
    """A distinguished name from RFC 4514 text, such as "CN=Issuing CA,O=Example". Raises ValueError."""
    return x509.Name.from_rfc4514_string(text)


# --- drafting


def _signature_algorithm(key: asymmetric.ClassicPublicKey) -> DigitalSignatureAlgorithm:
    """How an authority with this key signs: RSA with SHA-256, ECDSA with the SHA-2 of the curve's size."""
    if isinstance(key, rsa.RSAPublicKey):
        return DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION
    if key.key_size <= 256:
        return DigitalSignatureAlgorithm.ECDSA_WITH_SHA256
    if key.key_size <= 384:
        return DigitalSignatureAlgorithm.ECDSA_WITH_SHA384
    return DigitalSignatureAlgorithm.ECDSA_WITH_SHA512


def draft(order: Order, authority: bytes, start: int, end: int, usage: Mask) -> Draft:
    """A certificate by `authority`, the DER of its certificate, valid from `start` to `end` (POSIX seconds) or
    as long as the authority's.

    `usage`: what the key is for, where the order does not say. Raises KeyMaterialError.
    """
    issuer = x509.load_der_x509_certificate(authority)
    issuer_key = asymmetric.known_public(issuer.public_key())
    # A certificate that outlives its authority's would be good for nothing.
    end = min(end, int(issuer.not_valid_after_utc.timestamp()))
    if start >= end:
        raise KeyMaterialError("the certificate of the authority is not valid for that long")
    builder = _begin(order, issuer.subject, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_identifier(issuer, issuer_key), critical=False)
    for extension in order.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    if all(extension.oid != ExtensionOID.KEY_USAGE for extension in order.extensions):
        granted = {name: bool(usage & mask) for name, mask in _USAGES.items()}
        if any(granted.values()):
            builder = builder.add_extension(_key_usage(**granted), critical=True)
    return _unsigned(builder, issuer_key)


def draft_authority(order: Order, start: int, end: int) -> Draft:
    """The self-signed certificate of an authority that signs certificates of end entities."""
    builder = _begin(order, order.subject, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return _unsigned(builder, order.public_key)


def _begin(order: Order, issuer: x509.Name, start: int, end: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(order.subject)
        .issuer_name(issuer)
        .public_key(order.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(order.public_key), critical=False)
    )


def _key_identifier(issuer: x509.Certificate, key: asymmetric.ClassicPublicKey) -> x509.AuthorityKeyIdentifier:
    with suppress(x509.ExtensionNotFound):
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _key_usage(**granted: bool) -> x509.KeyUsage:
    names = (*_USAGES, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


def _without_signing(usage: x509.KeyUsage) -> x509.KeyUsage:
    return _key_usage(**{name: getattr(usage, name) for name in _USAGES})


def _unsigned(builder: x509.CertificateBuilder, signer: asymmetric.ClassicPublicKey) -> Draft:
    algorithm = _signature_algorithm(signer)
    throwaway = _throwaway_rsa() if isinstance(signer, rsa.RSAPublicKey) else ec.generate_private_key(ec.SECP256R1())
    made = builder.sign(throwaway, _HASHES[algorithm])
    tbs, whole = made.tbs_certificate_bytes, made.public_bytes(Encoding.DER)
    # After the part that is signed comes the AlgorithmIdentifier, always short.
    rest = whole[whole.index(tbs) + len(tbs) :]
    return Draft(
        tbs,
        rest[: 2 + rest[1]],
        asymmetric.spki(signer),
        CryptographicParameters(digital_signature_algorithm=algorithm),
    )


@cache
def _throwaway_rsa() -> rsa.RSAPrivateKey:
    return asymmetric.generate_rsa(2048)


def _tlv(tag: int, content: bytes) -> bytes:
    """DER: tag, definite length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
