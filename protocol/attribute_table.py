"""Every attribute of KMIP 1.0 to 2.1 with its rules: the tables of KMIP 1.4 section 3 and 2.1 section 4 as data.

Conditions in those tables that depend on an object's state ("only while Pre-Active") are the domain's: here the
rule says whether it can ever be done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from protocol import structures as s
from protocol.enums import (
    CertificateType,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    DigitalSignatureAlgorithm,
    KeyFormatType,
    NISTKeyType,
    ObjectType,
    OpaqueDataType,
    Operation,
    ProtectionLevel,
    ProtectionStorageMask,
    State,
)
from protocol.names import TAG_BY_XML_NAME
from protocol.schema import ANY, FIRST, LAST, DateTime, Gate, Interval
from protocol.versions import ProtocolVersion

SetBy = Literal["client", "server", "both"]


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """One attribute and its rules. `object_types` is the 1.x rule, `object_types_2` that of 2.x; None is all.

    `type` is the type of the value as schema.py has it; `since` and `until` are versions, both included.
    """

    name: str
    tag: int
    type: Any
    since: tuple[int, int]
    until: tuple[int, int]
    set_by: SetBy
    always_set: bool
    modifiable_by_server: bool
    modifiable_by_client: bool
    deletable_by_client: bool
    multiple: bool
    searchable: bool
    object_types: frozenset[ObjectType] | None
    object_types_2: frozenset[ObjectType] | None
    implicit: frozenset[Operation]

    def in_version(self, version: ProtocolVersion) -> bool:
        return Gate(self.since, self.until).covers(version)

    def applies_to(self, object_type: ObjectType, version: ProtocolVersion = ANY) -> bool:
        """Whether an object of the type may have the attribute; without a version, whether in any version."""
        sets = []
        if version < (2, 0):
            sets.append(self.object_types)
        if version >= (2, 0) or version == ANY:
            sets.append(self.object_types_2)
        return any(types is None or object_type in types for types in sets)


def xml_name(name: str) -> str:
    """A name of the specification as its XML element: KMIP Additional Message Encodings 1.0, section 4.1.3."""
    return re.sub(r"[^\w]", "_", name.replace(" ", ""))


# What attributes apply to
_O = ObjectType
KEYS: Final = frozenset({_O.SYMMETRIC_KEY, _O.PUBLIC_KEY, _O.PRIVATE_KEY, _O.SPLIT_KEY, _O.PGP_KEY})
CERTIFICATES: Final = frozenset({_O.CERTIFICATE})
TEMPLATES: Final = frozenset({_O.TEMPLATE})
OPAQUE: Final = frozenset({_O.OPAQUE_OBJECT})
PGP: Final = frozenset({_O.PGP_KEY})
PAIRS: Final = frozenset({_O.PUBLIC_KEY, _O.PRIVATE_KEY})
SYMMETRIC: Final = frozenset({_O.SYMMETRIC_KEY, _O.SPLIT_KEY})
VALUED: Final = frozenset({_O.SYMMETRIC_KEY, _O.PRIVATE_KEY, _O.SPLIT_KEY, _O.SECRET_DATA})
GONE: Final[frozenset[ObjectType]] = frozenset()
CRYPTOGRAPHIC: Final = KEYS | CERTIFICATES | {_O.SECRET_DATA}

# What sets attributes that no request named
_P = Operation
REKEY: Final = frozenset({_P.RE_KEY, _P.RE_KEY_KEY_PAIR})
RENEW: Final = REKEY | {_P.RE_CERTIFY}
GENERATE: Final = REKEY | {_P.CREATE, _P.CREATE_KEY_PAIR, _P.DERIVE_KEY}
MAKE: Final = GENERATE | {_P.REGISTER, _P.CERTIFY, _P.RE_CERTIFY}
MAKE_SYMMETRIC: Final = frozenset({_P.CREATE, _P.REGISTER, _P.DERIVE_KEY, _P.RE_KEY})
MAKE_CERTIFICATE: Final = frozenset({_P.REGISTER, _P.CERTIFY, _P.RE_CERTIFY})
CHANGE: Final = MAKE | {
    _P.ACTIVATE,
    _P.ADD_ATTRIBUTE,
    _P.ARCHIVE,
    _P.DELETE_ATTRIBUTE,
    _P.DESTROY,
    _P.GET_USAGE_ALLOCATION,
    _P.MODIFY_ATTRIBUTE,
    _P.RECOVER,
    _P.REVOKE,
}
NONE: Final[frozenset[Operation]] = frozenset()

_BY: dict[str, SetBy] = {"C": "client", "S": "server", "CS": "both"}


def _row(  # noqa: PLR0913, PLR0917 - the columns of a table
    name: str,
    type_: Any,
    by: str,
    rules: str = "",
    implicit: frozenset[Operation] = NONE,
    v1: frozenset[ObjectType] | None = None,
    v2: frozenset[ObjectType] | None = None,
    since: tuple[int, int] = FIRST,
    until: tuple[int, int] = LAST,
) -> AttributeSpec:
    """Rules: A always has a value, s modifiable by server, c by client, d deletable by client, * many, - no search."""
    return AttributeSpec(
        name=name,
        tag=TAG_BY_XML_NAME[xml_name(name)],
        type=type_,
        since=since,
        until=until,
        set_by=_BY[by],
        always_set="A" in rules,
        modifiable_by_server="s" in rules,
        modifiable_by_client="c" in rules,
        deletable_by_client="d" in rules,
        multiple="*" in rules,
        searchable="-" not in rules,
        object_types=v1,
        object_types_2=v2,
        implicit=implicit,
    )


_ROWS = (
    _row("Unique Identifier", str, "S", "A", MAKE),
    _row("Name", s.Name, "C", "scd*", RENEW),
    _row("Object Type", ObjectType, "S", "A", MAKE),
    _row("Cryptographic Algorithm", CryptographicAlgorithm, "S", "A", MAKE, KEYS | CERTIFICATES | TEMPLATES),
    _row("Cryptographic Length", int, "S", "A", MAKE, KEYS | CERTIFICATES | TEMPLATES),
    _row(
        "Cryptographic Parameters",
        s.CryptographicParameters,
        "C",
        "cd*",
        RENEW,
        KEYS | CERTIFICATES | TEMPLATES,
    ),
    _row(
        "Cryptographic Domain Parameters",
        s.CryptographicDomainParameters,
        "C",
        "",
        REKEY,
        PAIRS | TEMPLATES,
        PAIRS,
    ),
    _row("Certificate Type", CertificateType, "S", "A", MAKE_CERTIFICATE, CERTIFICATES, CERTIFICATES),
    _row("Certificate Length", int, "S", "A", MAKE_CERTIFICATE, CERTIFICATES, CERTIFICATES, (1, 1)),
    _row(
        "X.509 Certificate Identifier",
        s.X509CertificateIdentifier,
        "S",
        "A",
        MAKE_CERTIFICATE,
        CERTIFICATES,
        CERTIFICATES,
        (1, 1),
    ),
    _row(
        "X.509 Certificate Subject",
        s.X509CertificateSubject,
        "S",
        "A",
        MAKE_CERTIFICATE,
        CERTIFICATES,
        CERTIFICATES,
        (1, 1),
    ),
    _row(
        "X.509 Certificate Issuer",
        s.X509CertificateIssuer,
        "S",
        "A",
        MAKE_CERTIFICATE,
        CERTIFICATES,
        CERTIFICATES,
        (1, 1),
    ),
    _row(
        "Certificate Identifier",
        s.CertificateIdentifier,
        "S",
        "A",
        MAKE_CERTIFICATE,
        CERTIFICATES,
        GONE,
        until=(1, 4),
    ),
    _row(
        "Certificate Subject",
        s.CertificateSubject,
        "S",
        "A",
        MAKE_CERTIFICATE,
        CERTIFICATES,
        GONE,
        until=(1, 4),
    ),
    _row("Certificate Issuer", s.CertificateIssuer, "S", "A", MAKE_CERTIFICATE, CERTIFICATES, GONE, until=(1, 4)),
    # Several only for PGP keys, which hold several signatures.
    _row(
        "Digital Signature Algorithm",
        DigitalSignatureAlgorithm,
        "S",
        "A*",
        MAKE_CERTIFICATE,
        CERTIFICATES | PGP,
        CERTIFICATES | PGP,
        (1, 1),
    ),
    _row("Digest", s.Digest, "S", "A*", MAKE, CRYPTOGRAPHIC | OPAQUE),
    _row("Operation Policy Name", str, "CS", "s", MAKE, None, GONE, until=(1, 4)),
    _row("Cryptographic Usage Mask", CryptographicUsageMask, "CS", "As", MAKE, CRYPTOGRAPHIC | TEMPLATES),
    _row("Lease Time", Interval, "S", "s", MAKE, CRYPTOGRAPHIC),
    _row(
        "Usage Limits",
        s.UsageLimits,
        "CS",
        "scd",
        GENERATE | {_P.REGISTER, _P.GET_USAGE_ALLOCATION},
        KEYS | TEMPLATES,
    ),
    _row("State", State, "S", "As", MAKE | {_P.ACTIVATE, _P.REVOKE, _P.DESTROY}, CRYPTOGRAPHIC),
    _row("Initial Date", DateTime, "S", "A", MAKE),
    _row("Activation Date", DateTime, "CS", "sc", MAKE | {_P.ACTIVATE}, CRYPTOGRAPHIC | TEMPLATES),
    _row("Process Start Date", DateTime, "CS", "sc", MAKE_SYMMETRIC, SYMMETRIC | TEMPLATES),
    _row("Protect Stop Date", DateTime, "CS", "sc", MAKE_SYMMETRIC, SYMMETRIC | TEMPLATES),
    _row("Deactivation Date", DateTime, "CS", "sc", MAKE | {_P.REVOKE}, CRYPTOGRAPHIC | TEMPLATES),
    _row("Destroy Date", DateTime, "S", "", frozenset({_P.DESTROY}), CRYPTOGRAPHIC | OPAQUE),
    _row("Compromise Occurrence Date", DateTime, "S", "", frozenset({_P.REVOKE}), CRYPTOGRAPHIC | OPAQUE),
    _row("Compromise Date", DateTime, "S", "", frozenset({_P.REVOKE}), CRYPTOGRAPHIC | OPAQUE),
    _row("Revocation Reason", s.RevocationReason, "S", "s", frozenset({_P.REVOKE}), CRYPTOGRAPHIC | OPAQUE),
    _row("Archive Date", DateTime, "S", "", frozenset({_P.ARCHIVE})),
    _row("Object Group", str, "CS", "scd*", MAKE),
    # 2.1 says that it always has a value, 1.4 that it need not.
    _row("Fresh", bool, "CS", "s", MAKE, CRYPTOGRAPHIC, since=(1, 1)),
    _row(
        "Link",
        s.Link,
        "CS",
        "scd*",
        RENEW | {_P.CREATE_KEY_PAIR, _P.DERIVE_KEY, _P.CERTIFY, _P.REGISTER},
        CRYPTOGRAPHIC,
    ),
    _row("Application Specific Information", s.ApplicationSpecificInformation, "CS", "scd*", RENEW),
    _row("Contact Information", str, "CS", "scd", MAKE),
    _row("Last Change Date", DateTime, "S", "As", CHANGE),
    _row("Alternative Name", s.AlternativeName, "C", "scd*", since=(1, 2)),
    _row("Key Value Present", bool, "S", "", frozenset({_P.REGISTER}), VALUED, since=(1, 2)),
    _row("Key Value Location", s.KeyValueLocation, "C", "cd*", NONE, VALUED, since=(1, 2)),
    _row("Original Creation Date", DateTime, "CS", "", GENERATE, since=(1, 2)),
    _row("Random Number Generator", s.RNGParameters, "CS", "", GENERATE, CRYPTOGRAPHIC, since=(1, 3)),
    _row("PKCS#12 Friendly Name", str, "CS", "cd", NONE, CRYPTOGRAPHIC, since=(1, 4)),
    _row("Description", str, "CS", "scd", since=(1, 4)),
    _row("Comment", str, "CS", "scd", since=(1, 4)),
    _row("Sensitive", bool, "CS", "Asc", MAKE, since=(1, 4)),
    _row("Always Sensitive", bool, "S", "As", MAKE, since=(1, 4)),
    _row("Extractable", bool, "CS", "Asc", MAKE, since=(1, 4)),
    _row("Never Extractable", bool, "S", "As", MAKE, since=(1, 4)),
    *(
        # 1.4 has their tags (§9.1.3.1) and its test cases have them as attributes; 2.1 §4.6 has their rules.
        _row(f"Certificate {side} {part}", str, "S", "*", MAKE_CERTIFICATE, CERTIFICATES, CERTIFICATES, (1, 4))
        for side in ("Subject", "Issuer")
        for part in (
            *("CN", "O", "OU", "Email", "C", "ST", "L", "UID"),
            *("Serial Number", "Title", "DC", "DN Qualifier"),
        )
    ),
    _row("Key Format Type", KeyFormatType, "S", "A", MAKE, since=(2, 0)),
    _row("NIST Key Type", NISTKeyType, "C", "*", since=(2, 0)),
    _row("Opaque Data Type", OpaqueDataType, "S", "A", frozenset({_P.REGISTER}), OPAQUE, OPAQUE, (2, 0)),
    _row("Protection Level", ProtectionLevel, "C", "cd", since=(2, 0)),
    _row("Protection Period", Interval, "C", "cd", since=(2, 0)),
    _row("Protection Storage Mask", ProtectionStorageMask, "S", "A", MAKE, since=(2, 0)),
    _row("Quantum Safe", bool, "C", "cd", since=(2, 0)),
    _row("Short Unique Identifier", bytes, "S", "A", MAKE, since=(2, 0)),
    _row("Rotate Automatic", bool, "CS", "s", since=(2, 1)),
    _row("Rotate Date", DateTime, "S", "", REKEY, since=(2, 1)),
    _row("Rotate Generation", int, "S", "", REKEY, since=(2, 1)),
    _row("Rotate Interval", Interval, "CS", "s", MAKE, since=(2, 1)),
    _row("Rotate Latest", bool, "S", "s", REKEY, since=(2, 1)),
    _row("Rotate Name", s.RotateName, "C", "cd", since=(2, 1)),
    _row("Rotate Offset", Interval, "CS", "s", MAKE, since=(2, 1)),
)

ATTRIBUTES: Final[dict[str, AttributeSpec]] = {row.name: row for row in _ROWS}
"""By the specification's name, with spaces."""
ATTRIBUTE_BY_TAG: Final[dict[int, AttributeSpec]] = {row.tag: row for row in _ROWS}

CUSTOM: Final = AttributeSpec(
    name="",
    tag=TAG_BY_XML_NAME["Attribute"],
    type=None,
    since=FIRST,
    until=LAST,
    set_by="both",
    always_set=False,
    modifiable_by_server=True,
    modifiable_by_client=True,
    deletable_by_client=True,
    multiple=True,
    searchable=True,
    object_types=None,
    object_types_2=None,
    implicit=NONE,
)
"""The rules of every custom (1.4 §3.39) and vendor (2.1 §4.60) attribute; y- and other server-made ones, which a
client may neither change nor delete, are the domain's to refuse."""
