"""CMKs that many tests make and use."""

from __future__ import annotations

from typing import Any

from protocol.enums import BlockCipherMode, CryptographicAlgorithm
from protocol.key_service import KeyMetadata
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.structures import CryptographicParameters
from tests.operations.conftest import Caller

DAY = 86400
GCM = CryptographicParameters(
    block_cipher_mode=BlockCipherMode.GCM,
    cryptographic_algorithm=CryptographicAlgorithm.AES,
    tag_length=16,
    random_iv=True,
)


async def make(app: Caller, **fields: Any) -> KeyMetadata:
    made: KeyMetadata = (await app.call(CreateCMKRequest(**fields))).metadata
    return made


async def described(app: Caller, uid: str) -> KeyMetadata:
    found: KeyMetadata = (await app.call(DescribeCMKRequest(unique_identifier=uid))).metadata
    return found


async def rotated(app: Caller, uid: str) -> str:
    """The new version of the CMK."""
    version: str = (await app.call(RotateCMKRequest(unique_identifier=uid))).primary_version
    return version


def encrypting(uid: str | None, data: bytes = b"plain") -> EncryptRequest:
    return EncryptRequest(unique_identifier=uid, cryptographic_parameters=GCM, data=data)


def decrypting(encrypted: Any, uid: str | None = None) -> DecryptRequest:
    """By the version that the response named, unless another is given."""
    return DecryptRequest(
        unique_identifier=uid or encrypted.unique_identifier,
        cryptographic_parameters=GCM,
        data=encrypted.data,
        iv_counter_nonce=encrypted.iv_counter_nonce,
        authenticated_encryption_tag=encrypted.authenticated_encryption_tag,
    )
