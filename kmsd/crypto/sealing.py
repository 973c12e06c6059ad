"""Material at rest: AES-256-GCM under a key that is derived for each blob from the tenant's data key.

Random 96-bit nonces under one long-lived key are good for 2^32 messages only (NIST SP 800-38D §8.3), a count
that no process could keep across nodes and restores. So each blob has its own key, HKDF-Expand(data key,
random 128-bit salt), and its own random nonce: a repetition needs the same 224 random bits twice. It costs 2
µs.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from kmsd.crypto.errors import SealError
from kmsd.crypto.provider import KeyReference
from protocol.enums import KeyFormatType

DATA_KEY_SIZE = 32
"""Bytes of a tenant's data key."""

_VERSION = b"\x01"
_SALT = 16
_NONCE = 12
_TAG = 16
_HEAD = len(_VERSION) + _SALT + _NONCE
OVERHEAD = _HEAD + _TAG
"""Bytes that sealing adds."""
_SALT_PLACE = slice(len(_VERSION), len(_VERSION) + _SALT)
_NONCE_PLACE = slice(len(_VERSION) + _SALT, _HEAD)
_SEALED_PLACE = slice(_HEAD, None)

_KEPT_CIPHERS = 1000
"""Ciphers of single blobs that stay in memory, as their data key does; a few hundred bytes each."""

_INFO = b"kmsd sealed material\x01"
_FINGERPRINT = b"kmsd fingerprint\x01"
_HASH = SHA256()
_PREFIXED = struct.Struct(">I")
_FIXED = struct.Struct(">IIII")


def new_data_key() -> bytes:
    """A fresh data key for a tenant, DATA_KEY_SIZE bytes."""
    return os.urandom(DATA_KEY_SIZE)


def associated_data(reference: KeyReference, format_: KeyFormatType | None) -> bytes:
    """What a blob is bound to: the same for no two objects, nor for one object read with other attributes.

    The texts are prefixed by their length, the numbers have a fixed width: no two values give the same bytes.
    An absent algorithm or format is 0, which KMIP gives to none.
    """
    tenant = reference.tenant.encode()
    uid = reference.uid.encode()
    return b"".join(
        (
            _VERSION,
            _PREFIXED.pack(len(tenant)),
            tenant,
            _PREFIXED.pack(len(uid)),
            uid,
            _FIXED.pack(reference.object_type, reference.algorithm or 0, reference.length, format_ or 0),
        )
    )


class Sealing(Protocol):
    """Something that seals material for a tenant; blobs are opaque to everyone else."""

    def seal(self, reference: KeyReference, format_: KeyFormatType | None, plaintext: bytes) -> bytes: ...

    def open(self, reference: KeyReference, format_: KeyFormatType | None, blob: bytes) -> bytes: ...

    def fingerprint(self, tenant: str, data: bytes) -> bytes: ...


class Sealer:
    """Seals with the data keys of the tenants that this process serves.

    Blob: version (1), salt (16), nonce (12), ciphertext, tag (16). A data key is uniform, so HKDF's
    extraction is not needed (RFC 5869 §3.3).
    """

    def __init__(self, data_keys: Mapping[str, bytes] | None = None) -> None:
        self._data_keys: dict[str, bytes] = {}
        # Keys that are in use are opened again and again; deriving takes as long as all else.
        self._kept = lru_cache(maxsize=_KEPT_CIPHERS)(self._opening)
        for tenant, data_key in (data_keys or {}).items():
            self.add_tenant(tenant, data_key)

    def __repr__(self) -> str:
        return f"Sealer({len(self._data_keys)} tenants)"

    def add_tenant(self, tenant: str, data_key: bytes) -> None:
        """Serve a tenant with its data key of DATA_KEY_SIZE bytes; ValueError on any other size."""
        if len(data_key) != DATA_KEY_SIZE:
            raise ValueError(f"a data key has {DATA_KEY_SIZE} bytes")
        self._data_keys[tenant] = bytes(data_key)
        self._kept.cache_clear()

    def forget_tenant(self, tenant: str) -> None:
        """Serve the tenant no more: its blobs no longer open here."""
        self._data_keys.pop(tenant, None)
        self._kept.cache_clear()

    def seal(self, reference: KeyReference, format_: KeyFormatType | None, plaintext: bytes) -> bytes:
        """The blob for the store. Raises SealError for a tenant without a data key."""
        fresh = os.urandom(_SALT + _NONCE)
        cipher = self._derive(reference.tenant, fresh[:_SALT])
        sealed = cipher.encrypt(fresh[_SALT:], plaintext, associated_data(reference, format_))
        return _VERSION + fresh + sealed

    def open(self, reference: KeyReference, format_: KeyFormatType | None, blob: bytes) -> bytes:
        """The plaintext. Raises SealError where the blob, the object or any bound attribute is not the sealed
        one."""
        if len(blob) < OVERHEAD or not blob.startswith(_VERSION):
            raise SealError("the sealed material has an unknown form")
        cipher, bound = self._kept(reference, format_, blob[_SALT_PLACE])
        try:
            return cipher.decrypt(blob[_NONCE_PLACE], blob[_SEALED_PLACE], bound)
        except InvalidTag:
            raise SealError("the sealed material does not open") from None

    def fingerprint(self, tenant: str, data: bytes) -> bytes:
        """HMAC-SHA-256 under a key that is derived from the tenant's data key: to know data again that is not kept.

        Raises SealError for a tenant without a data key.
        """
        context = HMAC(HKDFExpand(_HASH, 32, _FINGERPRINT).derive(self._data_key(tenant)), _HASH)
        context.update(data)
        return context.finalize()

    def _opening(self, reference: KeyReference, format_: KeyFormatType | None, salt: bytes) -> tuple[AESGCM, bytes]:
        return self._derive(reference.tenant, salt), associated_data(reference, format_)

    def _derive(self, tenant: str, salt: bytes) -> AESGCM:
        return AESGCM(HKDFExpand(_HASH, 32, _INFO + salt).derive(self._data_key(tenant)))

    def _data_key(self, tenant: str) -> bytes:
        data_key = self._data_keys.get(tenant)
        if data_key is None:
            raise SealError("the tenant has no data key here")
        return data_key
