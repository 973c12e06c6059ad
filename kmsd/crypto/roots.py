"""The root under which the tenants' data keys are kept: a software root here, the HSM's in
kmsd.crypto.hsm."""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kmsd.crypto.errors import SealError
from kmsd.crypto.sealing import DATA_KEY_SIZE

ROOT_KEY_SIZE = 32
"""Bytes of the software root key, which a credential file holds."""

_VERSION = b"\x01"
_SALT = 32
_NONCE = 12
_HEAD = len(_VERSION) + _SALT + _NONCE
_BLOB = _HEAD + DATA_KEY_SIZE + 16


class KeyRoot(Protocol):
    """Keeps the tenants' data keys; whoever destroys a tenant's key-encryption key destroys the tenant."""

    def wrap_data_key(self, tenant: str, data_key: bytes) -> bytes:
        """The data key for the store. May raise CryptoError."""

    def unwrap_data_key(self, tenant: str, blob: bytes) -> bytes:
        """The data key. Raises SealError where the blob is another tenant's, altered, or of another root."""

    def destroy_tenant(self, tenant: str) -> None:
        """Destroy what the root itself keeps for the tenant."""


class SoftwareRoot:
    """Keeps data keys under keys derived from one root key: HKDF-SHA256, the tenant in its info.

    Blob: version (1), salt (32), nonce (12), AES-256-GCM of the data key with the tenant as associated data.
    The salt makes each blob's key-encryption key one of its own, so that it is gone with the blob: deleting
    the blob from the store (and its backups) destroys the tenant although the root key lives on.
    """

    def __init__(self, root_key: bytes) -> None:
        if len(root_key) != ROOT_KEY_SIZE:
            raise ValueError(f"a root key has {ROOT_KEY_SIZE} bytes")
        self._root_key = bytes(root_key)

    def __repr__(self) -> str:
        return "SoftwareRoot()"

    def wrap_data_key(self, tenant: str, data_key: bytes) -> bytes:
        if len(data_key) != DATA_KEY_SIZE:
            raise ValueError(f"a data key has {DATA_KEY_SIZE} bytes")
        fresh = os.urandom(_SALT + _NONCE)
        cipher = self._cipher(tenant, fresh[:_SALT])
        return _VERSION + fresh + cipher.encrypt(fresh[_SALT:], data_key, _VERSION + tenant.encode())

    def unwrap_data_key(self, tenant: str, blob: bytes) -> bytes:
        if len(blob) != _BLOB or blob[:1] != _VERSION:
            raise SealError("the tenant's data key has an unknown form")
        cipher = self._cipher(tenant, blob[1 : 1 + _SALT])
        try:
            return cipher.decrypt(blob[1 + _SALT : _HEAD], blob[_HEAD:], _VERSION + tenant.encode())
        except InvalidTag:
            raise SealError("the tenant's data key does not open under this root key") from None

    def destroy_tenant(self, tenant: str) -> None:
        """Nothing is kept here: the caller deletes the tenant's blob."""

    def _cipher(self, tenant: str, salt: bytes) -> AESGCM:
        kek = HKDF(SHA256(), 32, salt, b"kmsd tenant key-encryption key\x01" + tenant.encode())
        return AESGCM(kek.derive(self._root_key))
