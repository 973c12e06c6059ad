"""Objects for tests of the domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmsd.domain.objects import AttributeSet, ManagedObject, Material, ProtectionLevel
from protocol.attributes import Attribute
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    KeyFormatType,
    NameType,
    ObjectType,
    State,
)
from protocol.structures import Name

NOW = 1_800_000_000
USAGE = CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT


def name(text: str) -> Attribute:
    return Attribute("Name", Name(name_value=text, name_type=NameType.UNINTERPRETED_TEXT_STRING))


def key(state: State | None = State.ACTIVE, *attributes: Attribute, **changes: Any) -> ManagedObject:
    """An AES-256 key in this state."""
    made = ManagedObject(
        uid="uid",
        tenant="acme",
        owner="app",
        object_type=ObjectType.SYMMETRIC_KEY,
        protection=ProtectionLevel.SOFTWARE,
        state=state,
        attributes=AttributeSet(
            (
                Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
                Attribute("Cryptographic Length", 256),
                Attribute("Cryptographic Usage Mask", USAGE),
                Attribute("Initial Date", NOW - 1000),
                *attributes,
            )
        ),
        material=Material("sealed", b"blob", KeyFormatType.RAW),
        version=1,
    )
    return replace(made, **changes)
