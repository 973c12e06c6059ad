"""The names by which people call the members of enumerations and masks, in configurations and on the command line."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, TypeVar

from protocol.enums import XML_NAMES
from protocol.vendor import VENDOR_VALUES

Member = TypeVar("Member", bound=IntEnum | IntFlag)


def names_of(kind: type[Member]) -> dict[str, Member]:
    """KMIP's own spelling of the members of an enumeration or mask: CreateKeyPair, SymmetricKey, P_256.

    And kmsd's, of the values that KMIP has no name for: HMAC_SM3, ML_DSA_65.
    """
    ours: dict[str, Any] = VENDOR_VALUES.get(kind, {})  # type: ignore[arg-type]  # a mask has no values of ours
    names: dict[int, str] = XML_NAMES[kind]  # type: ignore[index]  # no type variable for a union
    return {name: kind(value) for value, name in names.items()} | ours


def name_of(member: IntEnum | IntFlag | None) -> str:
    """The name of a member, the names of all bits of a mask, or `none`."""
    if not member:
        return "none"
    names = {int(value): name for name, value in names_of(type(member)).items()}
    if isinstance(member, IntFlag):
        return ", ".join(name for value, name in names.items() if value & member)
    return names.get(int(member), f"{int(member):08X}")
