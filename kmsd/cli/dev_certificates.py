"""The development certificates of `kmsd dev`: an authority, a server, clients. RFC 5280."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = timedelta(days=825)
AUTHORITY_VALIDITY = timedelta(days=3650)
SPARE = timedelta(days=7)
"""What has less time left is made anew."""

Write = Callable[[Path, bytes], None]


class Authority:
    """A certificate authority in a directory: ca.pem and ca.key, made where they are missing or expire."""

    def __init__(self, directory: Path, write: Write) -> None:
        self._directory = directory
        self._write = write
        self._now = datetime.now(UTC)
        kept = self._load("ca")
        if kept is None:
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name("kmsd development CA")
            builder = self._builder(name, name, key.public_key(), AUTHORITY_VALIDITY)
            certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            certificate = certificate.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            kept = self._save("ca", key, certificate.sign(key, hashes.SHA256()))
        self._key, self._certificate = kept

    def server(self, name: str, hosts: Sequence[str], addresses: Sequence[str]) -> None:
        """NAME.pem and NAME.key for a server of these DNS names and IP addresses."""
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        self._issue(name, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str) -> None:
        """NAME.pem and NAME.key for the client NAME."""
        self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def _issue(self, name: str, purpose: x509.ObjectIdentifier, names: list[x509.GeneralName]) -> None:
        kept = self._load(name)
        if kept is not None and self._issued(kept[1]):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(name), self._certificate.subject, key.public_key(), VALIDITY)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        self._save(name, key, builder.sign(self._key, hashes.SHA256()))

    def _issued(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, validity: timedelta
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        # An hour back: a container's clock may be behind that of the host.
        builder = builder.not_valid_before(self._now - timedelta(hours=1))
        builder = builder.not_valid_after(self._now + validity)
        return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)

    def _load(self, name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
        """What is there, where key and certificate are a pair that lasts; None otherwise."""
        pem, key_file = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        try:
            certificate = x509.load_pem_x509_certificate(pem.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return None
        lasting = certificate.not_valid_after_utc - self._now > SPARE
        if not lasting or not isinstance(key, ec.EllipticCurvePrivateKey):
            return None
        return (key, certificate) if key.public_key() == certificate.public_key() else None

    def _save(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._write(self._directory / f"{name}.key", encoded)
        self._write(self._directory / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
        return key, certificate


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
