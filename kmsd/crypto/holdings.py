"""What a token keeps for kmsd by itself, so that it can be held against the store.

A resident key is known by its CKA_LABEL, the tenant, and its CKA_ID: the Unique Identifier of its object, when it was
made (POSIX seconds) and a number drawn by chance, both as 8 hexadecimal digits, with points between. The row of the
object has the same CKA_ID once it is committed, so that two makings for one object, as when material is imported
again, are never taken for one another. Keys made before have the Unique Identifier alone.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

KEK_PREFIX = "kmsd-kek-"
DATA_PREFIX = "kmsd-data-"
"""Before the tenant's name, in the labels of its two keys on the token (kmsd.crypto.hsm.root)."""

_MADE = re.compile(r"(.+)\.([0-9a-f]{8})\.[0-9a-f]{8}", re.DOTALL)
_BARE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class KeyId(NamedTuple):
    """What a CKA_ID says."""

    uid: str
    made: int | None
    """POSIX seconds; None for keys that were made before it was written down."""


class ResidentKey(NamedTuple):
    """A token object that is the material of a managed object, or was to be."""

    tenant: str
    key_id: bytes
    uid: str
    made: int | None


class TenantKey(NamedTuple):
    """One of a tenant's two keys, by its CKA_LABEL; its CKA_ID is the same."""

    tenant: str
    label: str


class Holdings(NamedTuple):
    """All that a token keeps."""

    token: str
    """Its label."""
    resident: tuple[ResidentKey, ...] = ()
    tenant_keys: frozenset[TenantKey] = frozenset()
    whole: bool = True
    """False where it has more objects than were to be looked through: then nothing else is said."""


def new_key_id(uid: str, now: float) -> bytes:
    """The CKA_ID of a key that is about to be made for the object."""
    return f"{uid}.{int(now):08x}.{secrets.token_hex(4)}".encode()


def resident_blob(key_id: bytes, beside: bytes) -> bytes:
    """What is stored of a resident key: its CKA_ID, and what its use wants beside that the token does not say."""
    return key_id + b"\0" + beside if beside else key_id


def key_id_of(blob: bytes) -> bytes:
    """The CKA_ID in what `resident_blob` made; it has no zero byte."""
    return blob.partition(b"\0")[0]


def read_key_id(key_id: bytes) -> KeyId | None:
    """None for the CKA_ID of an object that is none of kmsd's."""
    try:
        text = key_id.decode()
    except UnicodeDecodeError:
        return None
    made = _MADE.fullmatch(text)
    if made is not None:
        return KeyId(made[1], int(made[2], 16))
    return KeyId(text, None) if _BARE.fullmatch(text) else None


def names_object(key_id: bytes, uid: str) -> bool:
    """Whether the CKA_ID is one of this object."""
    found = read_key_id(key_id)
    return key_id == uid.encode() or (found is not None and found.uid == uid)
