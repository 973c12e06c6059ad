"""What the value of an attribute may be, whoever sets it and however."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kmsd.domain.errors import KmsError
from protocol.attributes import Attribute
from protocol.enums import CryptographicUsageMask, ResultReason

_ALIAS_PREFIX: Final = "alias/"
_NO_USAGE: Final = 0xFFFFFFFF & ~sum(CryptographicUsageMask)
"""The bits of a Cryptographic Usage Mask that no version has a use for (KMIP 2.1 §12.1)."""


def _check_name(attribute: Attribute) -> None:
    name = attribute.value
    if not name.name_value:
        raise _invalid("the Name Value is empty")
    if not name.name_type.known:
        raise _invalid(f"Name Type 0x{name.name_type:08X} is not known")
    if name.name_value.startswith(_ALIAS_PREFIX):
        raise _invalid("names that begin with alias/ are aliases of CMKs")


def _check_length(attribute: Attribute) -> None:
    # An Integer on the wire has a sign.
    if attribute.value < 0:
        raise _invalid(f"{attribute.name} is negative")


def _check_usage(attribute: Attribute) -> None:
    unknown = int(attribute.value) & _NO_USAGE
    if unknown:
        raise _invalid(f"the bits 0x{unknown:08X} of the {attribute.name} are not known")


def _invalid(message: str) -> KmsError:
    return KmsError(ResultReason.INVALID_ATTRIBUTE_VALUE, message)


CHECKS: Final[Mapping[str, Callable[[Attribute], None]]] = {
    "Name": _check_name,
    "Cryptographic Length": _check_length,
    "Certificate Length": _check_length,
    "Cryptographic Usage Mask": _check_usage,
}
"""By the attribute's name; each raises KmsError Invalid Attribute Value, in 1.x Invalid Field."""
