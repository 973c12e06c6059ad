"""Is a certificate chain good? RFC 5280 §6.1, as far as a server without revocation lists can say.

Valid: every certificate leads to the next and the last to a trust anchor, all within their dates. Invalid: something
is wrong with one of them. Unknown: nothing is wrong, and no trust anchor is reached, or a constraint is met that is
not judged here (name constraints, policies, critical extensions that nobody here knows).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from kmsd.crypto.errors import InvalidParametersError, KeyMaterialError
from protocol.enums import ValidityIndicator

Extension = TypeVar("Extension", bound=x509.ExtensionType)

_JUDGED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
"""Critical extensions that are understood; what a key may be used for is its user's question, not the chain's."""

LONGEST = 16
"""Certificates of one chain."""


def judge(values: Sequence[bytes], anchors: Sequence[bytes], at: int) -> ValidityIndicator:
    """The verdict on the chain that `values`, DER in any order, make; `anchors` may complete it. `at`: POSIX seconds.

    Raises KeyMaterialError for what is no certificate, InvalidParametersError where they are no one chain.
    """
    given = list(dict.fromkeys(_parse(value) for value in values))
    if not 0 < len(given) <= LONGEST:
        raise InvalidParametersError(f"a chain has 1 to {LONGEST} certificates")
    trusted = list(dict.fromkeys(_parse(value) for value in anchors))
    chain = _ordered(given)
    moment = datetime.fromtimestamp(at, UTC)
    verdict = ValidityIndicator.VALID
    anchor = chain[-1] if chain[-1] in trusted else next((a for a in trusted if _names(chain[-1], a)), None)
    if anchor is None:
        verdict = ValidityIndicator.UNKNOWN
    elif anchor is not chain[-1]:
        chain.append(anchor)
    if not all(_in_time(certificate, moment) for certificate in chain):
        return ValidityIndicator.INVALID
    for below, (subject, issuer) in enumerate(pairwise(chain)):
        if not _issued(subject, issuer, below):
            return ValidityIndicator.INVALID
    if chain[-1].issuer == chain[-1].subject and not _signed(chain[-1], chain[-1]):
        return ValidityIndicator.INVALID
    if any(extension.critical and extension.oid not in _JUDGED for c in chain for extension in c.extensions):
        return ValidityIndicator.UNKNOWN
    return verdict


def _parse(value: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(value)
        list(certificate.extensions)  # Parsed here or nowhere.
    except (ValueError, x509.DuplicateExtension) as error:
        raise KeyMaterialError("an X.509 certificate does not parse") from error
    return certificate


def _names(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether one names the other as its issuer; by key identifier too, where a name has had several keys."""
    if subject.issuer != issuer.subject:
        return False
    wanted, own = _extension(subject, x509.AuthorityKeyIdentifier), _extension(issuer, x509.SubjectKeyIdentifier)
    if wanted is None or own is None or wanted.key_identifier is None:
        return True
    return wanted.key_identifier == own.digest


def _ordered(given: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the end entity up. Raises InvalidParametersError."""
    ends = [c for c in given if not any(_names(other, c) for other in given if other is not c)]
    if len(ends) != 1:
        raise InvalidParametersError("the certificates are not one chain")
    chain = ends
    while len(chain) < len(given):
        following = [c for c in given if c not in chain and _names(chain[-1], c)]
        if len(following) != 1:
            raise InvalidParametersError("the certificates are not one chain")
        chain += following
    return chain


def _in_time(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _issued(subject: x509.Certificate, issuer: x509.Certificate, below: int) -> bool:
    """Whether the issuer is an authority, may have `below` authorities under it, and signed the subject."""
    constraints, usage = _extension(issuer, x509.BasicConstraints), _extension(issuer, x509.KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        return False
    if constraints.path_length is not None and below > constraints.path_length:
        return False
    return _signed(subject, issuer)


def _signed(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
