"""The profiles that Query names (KMIP 1.4 §2.1.19): what a server must do for them, proven by their mandatory cases.

A profile is here where kmsd passes every mandatory case of it in that version, without exception. What a profile says
of TLS is left aside: it asks for cipher suites of 2008 without forward secrecy, and who asks is connected already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ProfileName as Name
from protocol.enums import since
from protocol.versions import V1_0, V1_2, V1_4, V2_0, V2_1, ProtocolVersion


@dataclass(frozen=True, slots=True)
class Profile:
    """`cases` is what the names of its mandatory cases begin with."""

    cases: str
    names: Mapping[ProtocolVersion, Name]
    """The version that the profile and its cases are about, and its name in Query."""
    algorithms: tuple[Algorithm, ...] = (Algorithm.AES,)
    """What the tenant must allow."""
    https: bool = False
    """Whether it is about the HTTPS listener."""


PROFILES: tuple[Profile, ...] = (
    Profile(
        "SKLC-M",
        {
            V1_0: Name.SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_0,
            V1_2: Name.SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_2,
            V1_4: Name.SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_4,
            V2_1: Name.SYMMETRIC_KEY_LIFECYCLE_SERVER,
        },
    ),
    Profile(
        "AKLC-M",
        {
            V1_0: Name.ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_0,
            V1_2: Name.ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_2,
            V1_4: Name.ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_4,
            V2_1: Name.ASYMMETRIC_KEY_LIFECYCLE_SERVER,
        },
        (Algorithm.RSA,),
    ),
    Profile(
        "SKFF-M",
        {
            V1_0: Name.SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_0,
            V1_2: Name.SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_2,
            V1_4: Name.SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_4,
            V2_1: Name.SYMMETRIC_KEY_FOUNDRY_SERVER,
        },
        (Algorithm.AES, Algorithm.DES3),
    ),
    # The files of 1.2 have mistakes: see the exceptions.
    Profile("CS-BC-M", {V1_4: Name.BASIC_CRYPTOGRAPHIC_SERVER_KMIP_V1_4}),
    Profile(
        "CS-AC-M",
        {V1_4: Name.ADVANCED_CRYPTOGRAPHIC_SERVER_KMIP_V1_4, V2_1: Name.ADVANCED_CRYPTOGRAPHIC_SERVER},
        (Algorithm.AES, Algorithm.RSA),
    ),
    Profile(
        "CS-BC-M",
        {V2_1: Name.BASIC_CRYPTOGRAPHIC_SERVER},
        (Algorithm.AES, Algorithm.CHACHA20, Algorithm.CHACHA20_POLY1305),
    ),
    Profile(
        "CS-RNG-M",
        {
            V1_2: Name.RNG_CRYPTOGRAPHIC_SERVER_KMIP_V1_2,
            V1_4: Name.RNG_CRYPTOGRAPHIC_SERVER_KMIP_V1_4,
            V2_1: Name.RNG_CRYPTOGRAPHIC_SERVER,
        },
        (),
    ),
    Profile(
        "OMOS-M",
        {
            V1_0: Name.OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_0,
            V1_2: Name.OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_2,
            V1_4: Name.OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_4,
            V2_1: Name.OPAQUE_MANAGED_OBJECT_STORE_SERVER,
        },
        (),
    ),
    Profile(
        "SASED-M",
        {
            V1_0: Name.STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_0,
            V1_2: Name.STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_2,
            V1_4: Name.STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_4,
            V2_1: Name.STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER,
        },
    ),
    Profile(
        "TL-M",
        {
            V1_0: Name.TAPE_LIBRARY_SERVER_KMIP_V1_0,
            V1_2: Name.TAPE_LIBRARY_SERVER_KMIP_V1_2,
            V1_4: Name.TAPE_LIBRARY_SERVER_KMIP_V1_4,
            V2_1: Name.TAPE_LIBRARY_SERVER,
        },
    ),
    Profile("BL-M", {V2_1: Name.BASELINE_SERVER}, (Algorithm.AES, Algorithm.RSA, Algorithm.DSA)),
    Profile("AX-M", {V2_1: Name.AESXTS_SERVER}),
    Profile("QS-M", {V2_1: Name.QUANTUM_SAFE_SERVER}, ()),
    Profile(
        "MSGENC-HTTPS-M",
        {
            V1_0: Name.HTTPS_SERVER_KMIP_V1_0,
            V1_2: Name.HTTPS_SERVER_KMIP_V1_2,
            V1_4: Name.HTTPS_SERVER_KMIP_V1_4,
            V2_1: Name.HTTPS_SERVER,
        },
        (),
        https=True,
    ),
    Profile(
        "MSGENC-XML-M",
        {
            V1_0: Name.XML_SERVER_KMIP_V1_0,
            V1_2: Name.XML_SERVER_KMIP_V1_2,
            V1_4: Name.XML_SERVER_KMIP_V1_4,
            V2_1: Name.XML_SERVER,
        },
        (),
        https=True,
    ),
    Profile(
        "MSGENC-JSON-M",
        {
            V1_0: Name.JSON_SERVER_KMIP_V1_0,
            V1_2: Name.JSON_SERVER_KMIP_V1_2,
            V1_4: Name.JSON_SERVER_KMIP_V1_4,
            V2_1: Name.JSON_SERVER,
        },
        (),
        https=True,
    ),
)


def offered(version: ProtocolVersion, algorithms: Mapping[Algorithm, object], *, https: bool) -> Iterator[Name]:
    """The names that a client of this version reads, of the profiles that such a tenant and server have."""
    for profile in PROFILES:
        if (profile.https and not https) or any(algorithm not in algorithms for algorithm in profile.algorithms):
            continue
        for about, name in profile.names.items():
            # A profile of 1.x is one of its version; those of 2.x have one name for all versions.
            if (about >= V2_0) == (version >= V2_0) and since(name) <= version:
                yield name
