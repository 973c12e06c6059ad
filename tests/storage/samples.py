"""Objects as the operations make them, for the store's tests and benches."""

from __future__ import annotations

import uuid

from kmsd.domain.objects import AttributeSet, ManagedObject, Material, ProtectionLevel
from kmsd.domain.records import AuditRecord
from protocol.attributes import Attribute
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    HashingAlgorithm,
    KeyFormatType,
    NameType,
    ObjectType,
    State,
)
from protocol.structures import Digest, Name
from protocol.ttlv import Item, ItemType

NOW = 1_764_000_000


def name(text: str) -> Attribute:
    return Attribute("Name", Name(name_value=text, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def custom(key: str, text: str) -> Attribute:
    return Attribute(key, Item(0x42000B, ItemType.TEXT_STRING, text))


def aes_key(*attributes: Attribute, tenant: str = "acme", created: int = NOW, uid: str = "") -> ManagedObject:
    """An AES-256 key with what Create gives it, and `attributes`."""
    mask = CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT
    return ManagedObject(
        uid=uid or str(uuid.uuid4()),
        tenant=tenant,
        owner="acme-app",
        object_type=ObjectType.SYMMETRIC_KEY,
        protection=ProtectionLevel.SOFTWARE,
        state=State.PRE_ACTIVE,
        attributes=AttributeSet(
            (
                Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
                Attribute("Cryptographic Length", 256),
                Attribute("Cryptographic Usage Mask", mask),
                Attribute(
                    "Digest",
                    Digest(
                        hashing_algorithm=HashingAlgorithm.SHA_256,
                        digest_value=uuid.uuid4().bytes * 2,
                        key_format_type=KeyFormatType.RAW,
                    ),
                ),
                Attribute("Initial Date", created),
                Attribute("Last Change Date", created),
                Attribute("Original Creation Date", created),
                Attribute("Lease Time", 3600),
                Attribute("Fresh", True),
                Attribute("Sensitive", False),
                Attribute("Always Sensitive", False),
                Attribute("Extractable", True),
                Attribute("Never Extractable", False),
                *attributes,
            )
        ),
        material=Material("sealed", bytes(60), KeyFormatType.RAW),
    )


def record(operation: str = "Get", uid: str | None = None) -> AuditRecord:
    return AuditRecord(
        time=NOW * 1_000_000,
        tenant="acme",
        client="acme-app",
        address="127.0.0.1",
        operation=operation,
        uid=uid,
        result="Success",
    )
