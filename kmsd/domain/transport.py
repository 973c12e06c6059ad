"""How keys travel under a public key: in when a client imports its material, out when it exports a data key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kmsd.domain.errors import KmsError, unsupported
from kmsd.domain.key_specs import KEY_SPECS, KeySpec
from protocol import vendor
from protocol.enums import CryptographicAlgorithm, HashingAlgorithm, MaskGenerator, PaddingMethod, ResultReason
from protocol.structures import CryptographicParameters


class Inner(Enum):
    """How the key lies under a key of its own, which alone is under the public key. The value: bytes of that key."""

    AES_KEY_WRAP_PADDING = (16, 24, 32)
    """RFC 5649, as CKM_RSA_AES_KEY_WRAP has it."""
    AES_256_ECB_PKCS7 = (32,)
    """Not authenticated; for clients that do nothing else."""
    SM4_ECB = (16,)
    """Not authenticated and not padded: whole blocks."""


@dataclass(frozen=True, slots=True)
class Transport:
    """One wrapping algorithm, by the name that the key service which kmsd follows gives it."""

    name: str
    specs: tuple[str, ...]
    """Of the public keys it is for."""
    parameters: CryptographicParameters
    """Of the step under the public key."""
    inner: Inner | None = None
    by_option: bool = False
    """Whether a tenant must allow it in so many words."""


RSA_SPECS: Final = ("RSA_2048", "RSA_3072", "RSA_4096")
_SM2: Final = ("EC_SM2",)


def _oaep(hashing: HashingAlgorithm) -> CryptographicParameters:
    """The same hash in both places, spelt out: KMIP's default for the second is SHA-1."""
    return CryptographicParameters(
        padding_method=PaddingMethod.OAEP,
        hashing_algorithm=hashing,
        mask_generator=MaskGenerator.MGF1,
        mask_generator_hashing_algorithm=hashing,
        cryptographic_algorithm=CryptographicAlgorithm.RSA,
    )


_OAEP_SHA_256: Final = _oaep(HashingAlgorithm.SHA_256)
_PKCS1: Final = CryptographicParameters(
    padding_method=PaddingMethod.PKCS1_V1_5, cryptographic_algorithm=CryptographicAlgorithm.RSA
)
_SM2PKE: Final = CryptographicParameters(
    padding_method=vendor.SM2_C1C3C2, cryptographic_algorithm=CryptographicAlgorithm.SM2
)

_ROWS: Final = (
    Transport("RSAES_OAEP_SHA_256", RSA_SPECS, _OAEP_SHA_256),
    Transport("RSAES_OAEP_SHA_1", RSA_SPECS, _oaep(HashingAlgorithm.SHA_1)),
    # What tells good padding from bad opens what is under the key: only for who cannot do without.
    Transport("RSAES_PKCS1_V1_5", RSA_SPECS, _PKCS1, by_option=True),
    Transport("RSA_AES_KEY_WRAP_SHA_256", RSA_SPECS, _OAEP_SHA_256, Inner.AES_KEY_WRAP_PADDING),
    Transport("RSA_AES_KEY_WRAP_SHA_1", RSA_SPECS, _oaep(HashingAlgorithm.SHA_1), Inner.AES_KEY_WRAP_PADDING),
    Transport("RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD", RSA_SPECS, _OAEP_SHA_256, Inner.AES_256_ECB_PKCS7),
    Transport("SM2PKE", _SM2, _SM2PKE),
    Transport("SM2PKE_SM4_ECB", _SM2, _SM2PKE, Inner.SM4_ECB),
)
TRANSPORTS: Final[Mapping[str, Transport]] = {row.name: row for row in _ROWS}


def transport(algorithm: str, spec: str) -> tuple[Transport, KeySpec]:
    """The wrapping algorithm and the kind of its public key, by their names.

    Raises KmsError: Feature Not Supported (no such name), Invalid Field (two that do not go together).
    """
    found = TRANSPORTS.get(algorithm)
    if found is None:
        raise unsupported(f"no wrapping algorithm of this name: one of {', '.join(TRANSPORTS)}")
    if spec not in RSA_SPECS + _SM2:
        raise unsupported(f"no wrapping key of this specification: one of {', '.join(RSA_SPECS + _SM2)}")
    if spec not in found.specs:
        raise KmsError(ResultReason.INVALID_FIELD, f"{found.name} goes with {', '.join(found.specs)}")
    return found, KEY_SPECS[spec]
