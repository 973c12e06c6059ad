"""PKCS#12 containers (RFC 7292): a private key with its certificates, under a password."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12, serialize_key_and_certificates

from kmsd.crypto.der import INTEGER, OCTET_STRING, SEQUENCE, Reader
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError

MOST_ITERATIONS = 2_000_000
"""Of a container that is opened, all its parts together: about two seconds. Browsers write some thousands."""
MOST_CERTIFICATES = 16

_KINDS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, dsa.DSAPrivateKey, ed25519.Ed25519PrivateKey)
_CONSTRUCTED = 0x20
_DEEPEST = 24


@dataclass(frozen=True, slots=True)
class Container:
    """What was in it: the key as PKCS#8, its certificate and those of its issuers in this order, DER."""

    private_key: bytes
    certificates: tuple[bytes, ...]
    friendly_name: str | None

    def __repr__(self) -> str:
        return f"Container({len(self.certificates)} certificates)"


def open_container(data: bytes, password: bytes, friendly_name: str | None) -> Container:
    """The key of a container and its certificates; `friendly_name`, where it is given, is that of its certificate.

    Raises KeyMaterialError: no container, another password, another name, no private key, or one that asks for more
    work than MOST_ITERATIONS.
    """
    iterations: list[int] = []
    try:
        _iterations(Reader(data), iterations)
        if sum(iterations) > MOST_ITERATIONS:
            raise KeyMaterialError(f"the container asks for more than {MOST_ITERATIONS} iterations")
        found = load_pkcs12(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyMaterialError("the container does not open with the password") from error
    if not isinstance(found.key, _KINDS):
        raise KeyMaterialError("the container holds no private key of a kind that is known")
    name = found.cert.friendly_name.decode("utf-8", "replace") if found.cert and found.cert.friendly_name else None
    if friendly_name is not None and name is not None and friendly_name.casefold() != name.casefold():
        raise KeyMaterialError("the container holds no key of this friendly name")
    chain = [] if found.cert is None else [found.cert.certificate]
    chain = list(_ordered(chain, [other.certificate for other in found.additional_certs]))
    if len(chain) > MOST_CERTIFICATES:
        raise KeyMaterialError(f"the container holds more than {MOST_CERTIFICATES} certificates")
    der = found.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Container(der, tuple(certificate.public_bytes(Encoding.DER) for certificate in chain), name)


def _ordered(chain: list[x509.Certificate], others: list[x509.Certificate]) -> Iterator[x509.Certificate]:
    """The certificate, that of its issuer, and so on; what belongs to no chain is left out."""
    for certificate in chain:
        yield certificate
        issuer = next((other for other in others if other.subject == certificate.issuer), None)
        if issuer is not None:
            others.remove(issuer)
            chain.append(issuer)


def _iterations(reader: Reader, found: list[int], depth: int = 0) -> None:
    """Every number that follows an octet string: so stand the iterations after their salt, in PBE, in PBKDF2 and in the
    MAC. Octet strings hold further DER, or else bytes. Raises ValueError for what is not DER."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    before = None
    while (tag := reader.tag) is not None:
        content = reader.content(tag)
        if tag == INTEGER and before == OCTET_STRING:
            found.append(int.from_bytes(content, "big"))
        elif tag & _CONSTRUCTED:
            _iterations(Reader(content), found, depth + 1)
        elif tag == OCTET_STRING and content[:1] == bytes((SEQUENCE,)):
            # A salt may begin so, too: what was found before it turned out to be one is small change.
            with contextlib.suppress(ValueError):
                _iterations(Reader(content), found, depth + 1)
        before = tag


def make_container(private_key: bytes, certificates: Sequence[bytes], friendly_name: str, password: bytes) -> bytes:
    """A container with a PKCS#8 key and its certificates, AES-256 under the password.

    Raises KeyMaterialError (an empty password), UnsupportedError (a kind of key that no container holds).
    """
    key = load_der_private_key(private_key, None)
    if not isinstance(key, _KINDS):
        raise UnsupportedError("keys of this kind are not given in PKCS#12")
    chain = [x509.load_der_x509_certificate(certificate) for certificate in certificates]
    try:
        encryption = BestAvailableEncryption(password)
    except ValueError as error:
        raise KeyMaterialError("the password of the container is empty") from error
    return serialize_key_and_certificates(
        friendly_name.encode(), key, chain[0] if chain else None, chain[1:] or None, encryption
    )
