"""What keys a CMK may have: the specifications by name, their usages, and the masks of their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kmsd.domain.errors import KmsError, unsupported
from protocol import vendor
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import RecommendedCurve as Curve
from protocol.enums import ResultReason


class KeyUsage(StrEnum):
    """What a CMK is for; never two of them with one key."""

    ENCRYPT_DECRYPT = "ENCRYPT/DECRYPT"
    SIGN_VERIFY = "SIGN/VERIFY"
    GENERATE_VERIFY_MAC = "GENERATE/VERIFY_MAC"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One specification. `length` in bits; of the usages the first is what a request means that names none."""

    name: str
    algorithm: Algorithm
    length: int
    usages: tuple[KeyUsage, ...]
    curve: Curve | None = None
    pair: bool = False

    def usage(self, asked: str | None) -> KeyUsage:
        """The usage that a request means. Raises KmsError Invalid Field."""
        if asked is None:
            return self.usages[0]
        for usage in self.usages:
            if usage.value == asked:
                return usage
        allowed = " or ".join(self.usages)
        raise KmsError(ResultReason.INVALID_FIELD, f"the usage of {self.name} is {allowed}")


_CIPHER = (KeyUsage.ENCRYPT_DECRYPT,)
_SIGN = (KeyUsage.SIGN_VERIFY,)
_BOTH = (KeyUsage.SIGN_VERIFY, KeyUsage.ENCRYPT_DECRYPT)
_MAC = (KeyUsage.GENERATE_VERIFY_MAC,)

_ROWS = (
    KeySpec("AES_256", Algorithm.AES, 256, _CIPHER),
    KeySpec("AES_192", Algorithm.AES, 192, _CIPHER),
    KeySpec("AES_128", Algorithm.AES, 128, _CIPHER),
    KeySpec("SM4", Algorithm.SM4, 128, _CIPHER),
    KeySpec("CHACHA20_POLY1305", Algorithm.CHACHA20_POLY1305, 256, _CIPHER),
    KeySpec("RSA_2048", Algorithm.RSA, 2048, _BOTH, pair=True),
    KeySpec("RSA_3072", Algorithm.RSA, 3072, _BOTH, pair=True),
    KeySpec("RSA_4096", Algorithm.RSA, 4096, _BOTH, pair=True),
    KeySpec("EC_P256", Algorithm.EC, 256, _SIGN, Curve.P_256, pair=True),
    KeySpec("EC_P256K", Algorithm.EC, 256, _SIGN, Curve.SECP256K1, pair=True),
    KeySpec("EC_P384", Algorithm.EC, 384, _SIGN, Curve.P_384, pair=True),
    KeySpec("EC_P521", Algorithm.EC, 521, _SIGN, Curve.P_521, pair=True),
    KeySpec("EC_SM2", Algorithm.SM2, 256, _BOTH, pair=True),
    KeySpec("ED25519", Algorithm.ED25519, 256, _SIGN, pair=True),
    KeySpec("ML_DSA_44", vendor.ML_DSA_44, 8 * 1312, _SIGN, pair=True),
    KeySpec("ML_DSA_65", vendor.ML_DSA_65, 8 * 1952, _SIGN, pair=True),
    KeySpec("ML_DSA_87", vendor.ML_DSA_87, 8 * 2592, _SIGN, pair=True),
    KeySpec("HMAC_SHA_224", Algorithm.HMAC_SHA224, 224, _MAC),
    KeySpec("HMAC_SHA_256", Algorithm.HMAC_SHA256, 256, _MAC),
    KeySpec("HMAC_SHA_384", Algorithm.HMAC_SHA384, 384, _MAC),
    KeySpec("HMAC_SHA_512", Algorithm.HMAC_SHA512, 512, _MAC),
    KeySpec("HMAC_SM3", vendor.HMAC_SM3, 256, _MAC),
)

KEY_SPECS: Mapping[str, KeySpec] = {row.name: row for row in _ROWS}

DEFAULT_SPEC = "AES_256"

_FOREIGN_PREFIX = "Aliyun_"
"""How the key service that kmsd follows spells AES and SM4: Aliyun_AES_256."""


def spec_named(name: str | None) -> KeySpec:
    """The specification of this name; AES_256 without one. Raises KmsError Feature Not Supported."""
    spec = KEY_SPECS.get((name or DEFAULT_SPEC).removeprefix(_FOREIGN_PREFIX))
    if spec is None:
        raise unsupported(f"no key specification of this name: one of {', '.join(KEY_SPECS)}")
    return spec


_SYMMETRIC: Mapping[KeyUsage, Mask] = {
    KeyUsage.ENCRYPT_DECRYPT: Mask.ENCRYPT | Mask.DECRYPT | Mask.WRAP_KEY | Mask.UNWRAP_KEY,
    KeyUsage.GENERATE_VERIFY_MAC: Mask.MAC_GENERATE | Mask.MAC_VERIFY,
}
_PAIR: Mapping[KeyUsage, tuple[Mask, Mask]] = {
    KeyUsage.ENCRYPT_DECRYPT: (Mask.ENCRYPT, Mask.DECRYPT),
    KeyUsage.SIGN_VERIFY: (Mask.VERIFY, Mask.SIGN),
}


def symmetric_mask(usage: KeyUsage) -> Mask:
    """The Cryptographic Usage Mask of a version that is one key."""
    return _SYMMETRIC[usage]


def pair_masks(usage: KeyUsage) -> tuple[Mask, Mask]:
    """The Cryptographic Usage Masks of a version that is a pair: (public, private)."""
    return _PAIR[usage]
