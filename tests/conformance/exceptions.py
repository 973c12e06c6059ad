"""Where a case cannot be passed, and why; each line is a difference that a reader of the specification would accept.

A case that stands here and passes all the same is a failure: the table stays true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class KnownException:
    """Differences that match `pattern` at `step` (any, where it is None) are excused.

    `ends`: the rest of the case builds on what is excused, so it is not played.
    """

    reason: str
    pattern: str
    step: int | None = None
    ends: bool = False

    def covers(self, step: int, difference: str) -> bool:
        return self.step in (None, step) and re.search(self.pattern, difference) is not None


_SKIPJACK = KnownException(
    "SKIPJACK was withdrawn in 2010 (NIST SP 800-131A) and no library has it", "ResultStatus", 0, ends=True
)
_NAMELESS = KnownException(
    "the file lacks a required Attribute Name: the request is invalid", "TemplateAttribute: ", 1, ends=True
)

_ANOTHER_PART = KnownException(
    "asks for part 4 and prints the identifier of part 1", r"UniqueIdentifier: \$UNIQUE_IDENTIFIER_1 is not", 5
)
_WRAPS_ONLY = KnownException(
    "opens a key under one whose Cryptographic Usage Mask says Wrap Key alone: what the mask does not say SHALL NOT be "
    "performed (1.4 §3.19), else who may only wrap could read what others have wrapped",
    r"BatchItem\[0\]/ResultStatus: expected Success",
    2,
    ends=True,
)
_PAD = KnownException(
    "One Time Pad has a number in 1.4 and no rules: no request says where in the pad to begin, so that after one lost "
    "answer bytes are used twice, or all is decrypted wrongly without a sign",
    "ResultStatus: expected Success",
    1,
    ends=True,
)
_SEEDED = KnownException(
    "RNG Seed takes all bytes, or 16; here it takes none, as in CS-RNG-O-3: no client stirs the generators of others",
    "DataLength",
    0,
)
_PROFILES = KnownException("three servers' lists of profiles, each other than the next", "ProfileInformation", 0)
_CAPABILITIES = KnownException("three servers' capabilities, each other than the next", "/CapabilityInformation/", 0)
_OF_CLIENTS = KnownException("a server's Query to a client: the answer is what a client says of itself", "Payload/", 0)

EXCEPTIONS: Mapping[str, KnownException] = {
    **{f"TC-SJ-{case}": _ANOTHER_PART for case in ("2-12", "4-12", "4-14")},
    **{f"SKFF-O-{number}-{version}": _SKIPJACK for number in (1, 2, 3) for version in (10, 12)},
    "CS-AC-M-3-12": _NAMELESS,
    "CS-AC-M-8-12": _NAMELESS,
    "CS-BC-M-6-12": KnownException(
        "the ciphertext is not AES-ECB of that block under that key; 1.4 and 2.1 print the right one",
        "/Data: ",
        1,
        ends=True,
    ),
    **{f"CS-RNG-O-{number}-{version}": _SEEDED for number in (1, 2) for version in (12, 14, 21)},
    **{f"TC-OTP-{number}-14": _PAD for number in (1, 2, 5)},
    "TC-WRAP-2-14": _WRAPS_ONLY,
    "TC-WRAP-3-14": replace(_WRAPS_ONLY, step=4),
    "TC-95-10": KnownException(
        "a lease of 16 s, then one of none at all; here they take an hour, as in TC-95-12", "LeaseTime"
    ),
    "TC-134-10": KnownException(
        "numbers the links and names of the new certificate the other way round than TC-134-12 does",
        r"Attribute\[(Link|Name)\]",
        11,
    ),
    "TC-153-12": KnownException(
        "assumes a round robin of the default members of a group; which is the default is the server's policy "
        "(1.4 §4.9), here the oldest",
        "UNIQUE_IDENTIFIER",
        ends=True,
    ),
    **{f"TC-Q-PROF-{number}-14": _PROFILES for number in (1, 2, 3)},
    **{f"TC-Q-CAP-{number}-14": _CAPABILITIES for number in (1, 2, 3)},
    **{f"TC-Q-S2C-{name}-14": _OF_CLIENTS for name in ("1", "PROF-1", "PROF-2")},
    "TC-Q-CREG-1-14": KnownException(
        "clients are registered by the configuration alone, so Query names no method", "ClientRegistrationMethod", 0
    ),
    "TC-Q-RNGS-4-14": KnownException("three generators of a server; here it is the kernel's", "RNGParameters", 0),
    "TC-Q-VAL-1-14": KnownException("a product's validation by NIST; kmsd has none", "ValidationInformation", 0),
    "OMOS-O-1-14": KnownException("the file prints a response of version 1.3", "ProtocolVersionMinor", 1),
    "TC-PKCS12-2-14": KnownException(
        "serial numbers and a Digest of certificates in other forms than in its own request and in TC-CERTATTR-1-14",
        r"SerialNumber: |Digest.*/KeyFormatType: not in the test case$",
        8,
    ),
    "TC-142-12": KnownException(
        "asks for an attribute in the wrapped Key Value, prints the wrapped bare key", "KeyValue|ResultStatus", 2
    ),
    "PKCS11-M-1-21": KnownException(
        "C_GetInfo says who made the server, and its version", "PKCS_11OutputParameters: expected", 1
    ),
    "TC-NP-2-12": KnownException(
        "prints the server's messages as 1.0, with an attribute that 1.1 brought", "ProtocolVersionMinor"
    ),
    "TC-32-10": KnownException(
        "prints a literal where the value is the one that the request sends", "AsynchronousCorrelationValue: ", 8
    ),
    "TC-92-10": KnownException(
        "deactivates in 2010 in the request, in 2070 in the response", "Deactivation Date|State|ResultStatus", ends=True
    ),
}
