"""How often a key may encrypt with authentication: in GCM, CCM and ChaCha20-Poly1305.

Two equal IVs of 96 random bits under one key would give both plaintexts away, and in GCM the key for the tags.
NIST SP 800-38D §8.3: "The total number of invocations of the authenticated encryption function shall not exceed 2^32,
including all IV lengths and all instances of the authenticated encryption function with the given key". So IVs that
clients choose count as well: whether theirs are random is not known here.

The key says how many are set aside for those who encrypt, in blocks, since a write for each would cost more than the
encryption.
"""

from __future__ import annotations

from typing import Final

from kmsd.domain.errors import KmsError
from kmsd.domain.internal import Internal
from kmsd.domain.objects import ManagedObject
from protocol.enums import ResultReason
from protocol.ttlv import ItemType

MAXIMUM: Final = 1 << 32
"""Encryptions under one key, at which two of the IVs are equal with a probability of 2^-33."""

RESERVED: Final = Internal("Encryptions", ItemType.LONG_INTEGER)
"""How many are set aside: made, or lost with a process that ended before it had made them."""


def reserved(key: ManagedObject) -> int:
    """How many encryptions of the key are set aside so far."""
    return RESERVED.of(key) or 0


def reserve(key: ManagedObject, count: int, maximum: int = MAXIMUM) -> tuple[ManagedObject, int]:
    """(the key with up to `count` encryptions more set aside, how many they are).

    Raises KmsError Usage Limit Exceeded where none is left.
    """
    before = reserved(key)
    granted = min(count, maximum - before)
    if granted < 1:
        raise KmsError(
            ResultReason.USAGE_LIMIT_EXCEEDED,
            "the key has encrypted as often as is safe (NIST SP 800-38D): re-key or rotate it",
        )
    return key.with_attributes(key.attributes.put(RESERVED.attribute(before + granted))), granted
