"""Mechanisms that PKCS#11 has no number for and vendors have given one: SM4 and SM2.

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


class Sm2(NamedTuple):
    """SM2 on one token: as configured before the self-test, as proved after it."""

    key_type: KeyType
    generation: Mechanism
    sign: Mechanism | None
    """Signs e = SM3(Z || M)."""
    sign_message: Mechanism | None
    """Signs the data, and makes Z of the usual identifier by itself."""
    decrypt: Mechanism | None
    form: int = 0
    """How the token writes ciphertexts (kmsd.crypto.hsm.sm2.FORMS)."""
    keeps: bool = False
    """Whether the token wraps private keys and brings them back."""
    imports: bool = False

    @property
    def private(self) -> MechanismFlag:
        signs = MechanismFlag.SIGN if self.sign is not None or self.sign_message is not None else MechanismFlag(0)
        return signs | (MechanismFlag.DECRYPT if self.decrypt is not None else MechanismFlag(0))

    @property
    def pair(self) -> MechanismFlag:
        verifies = MechanismFlag.VERIFY if self.private & MechanismFlag.SIGN else MechanismFlag(0)
        encrypts = MechanismFlag.ENCRYPT if self.private & MechanismFlag.DECRYPT else MechanismFlag(0)
        return self.private | verifies | encrypts


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


def sm2(numbers: Mapping[str, int]) -> Sm2 | None:
    """SM2 by a token's numbers: SM2 (the key type), SM2_KEY_PAIR_GEN, and one or more of SM2_SIGN, SM2_SIGN_MESSAGE and
    SM2_DECRYPT.

    None where these are not all there.
    """
    if not {"SM2", "SM2_KEY_PAIR_GEN"} <= numbers.keys():
        return None
    sign, sign_message, decrypt = (
        _member(Mechanism, numbers[name]) if name in numbers else None
        for name in ("SM2_SIGN", "SM2_SIGN_MESSAGE", "SM2_DECRYPT")
    )
    made = Sm2(key_type(numbers["SM2"]), _member(Mechanism, numbers["SM2_KEY_PAIR_GEN"]), sign, sign_message, decrypt)
    return made if made.private else None


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
