"""Mechanisms that PKCS#11 has no number for and vendors have given one: SM4.

The configuration says which numbers a token uses (`hsms.NAME.mechanisms`). Whether they do what their name says is for
the self-test to find out, as with all others.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from pkcs11 import KeyType, Mechanism, MechanismFlag

from kmsd.crypto.ciphers import CipherScheme
from kmsd.crypto.errors import UnsupportedError
from kmsd.crypto.hsm import mechanisms as table
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm

E = TypeVar("E", KeyType, Mechanism)


class Sm4(NamedTuple):
    """SM4 on one token."""

    key_type: KeyType
    generation: Mechanism
    modes: Mapping[Mode, Mechanism]
    """As configured before the self-test, as proved after it."""

    @property
    def kind(self) -> table.SecretKind:
        return table.SecretKind(self.key_type, self.generation, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT)


_MODES = {"SM4_ECB": Mode.ECB, "SM4_CBC": Mode.CBC, "SM4_CTR": Mode.CTR, "SM4_GCM": Mode.GCM}


def _member(kind: type[E], value: int) -> E:
    """The value as python-pkcs11 wants it, which takes members of its enumerations only."""
    try:
        return kind(value)
    except ValueError:
        made: Any = int.__new__(kind, value)
        made._name_, made._value_ = f"0x{value:08X}", value
        return made  # type: ignore[no-any-return]


def key_type(value: int) -> KeyType:
    """A key type that a token names, known or not."""
    return _member(KeyType, value)


def sm4(numbers: Mapping[str, int]) -> Sm4 | None:
    """SM4 by a token's numbers: SM4 (the key type), SM4_KEY_GEN, and one or more of SM4_ECB, SM4_CBC, SM4_CTR, SM4_GCM.

    None where these are not all there.
    """
    modes = {mode: _member(Mechanism, numbers[name]) for name, mode in _MODES.items() if name in numbers}
    if not modes or not {"SM4", "SM4_KEY_GEN"} <= numbers.keys():
        return None
    return Sm4(key_type(numbers["SM4"]), _member(Mechanism, numbers["SM4_KEY_GEN"]), modes)


class _GcmParameters(ctypes.Structure):
    """CK_GCM_PARAMS (PKCS#11 v3.0 §2.12.3)."""

    _fields_ = (
        ("iv", ctypes.c_char_p),
        ("iv_length", ctypes.c_ulong),
        ("iv_bits", ctypes.c_ulong),
        ("aad", ctypes.c_char_p),
        ("aad_length", ctypes.c_ulong),
        ("tag_bits", ctypes.c_ulong),
    )


class Prepared(NamedTuple):
    """A mechanism with its parameter. It must live as long as the call: the parameter points into `kept`."""

    mechanism: Mechanism
    parameter: bytes | None
    kept: object


def prepared(sm4: Sm4 | None, scheme: CipherScheme, iv: bytes, aad: bytes | None) -> Prepared:
    """The mechanism for a scheme, the vendor's for SM4. Raises UnsupportedError."""
    if sm4 is not None and scheme.algorithm == CryptographicAlgorithm.SM4:
        return cipher(sm4.modes, scheme, iv, aad)
    return Prepared(*table.cipher(scheme, iv, aad), None)


def cipher(modes: Mapping[Mode, Mechanism], scheme: CipherScheme, iv: bytes, aad: bytes | None) -> Prepared:
    """The scheme's mode by a vendor's mechanism, with the parameter that AES has. Raises UnsupportedError."""
    mechanism = modes[scheme.mode]
    if scheme.mode != Mode.GCM:
        _, parameter = table.cipher(scheme, iv, aad)
        return Prepared(mechanism, parameter, None)
    if len(iv) > table.GCM_IV_LIMIT:
        raise UnsupportedError("the token takes no IV of more than 12 bytes for GCM")
    more = aad or None
    made = _GcmParameters(iv, len(iv), len(iv) * 8, more, len(more or b""), scheme.tag_length * 8)
    return Prepared(mechanism, bytes(made), (iv, more, made))
