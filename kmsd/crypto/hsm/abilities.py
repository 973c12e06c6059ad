"""What a token proved to be able to do, and the same in KMIP's terms."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from pkcs11 import KeyType, Mechanism, MechanismFlag

from kmsd.crypto import asymmetric
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm.vendors import Sm2, Sm4
from kmsd.crypto.parameters import HMACS, SIGNATURE_ALGORITHMS, RsaScheme, SignatureScheme
from kmsd.crypto.provider import Capabilities
from kmsd.domain.algorithms import CURVE_BY_LENGTH
from protocol import vendor
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    PaddingMethod,
    RecommendedCurve,
)

SEE = "kmsd hsm check"
"""Where the report is shown."""
_SIGN, _DECRYPT = MechanismFlag.SIGN, MechanismFlag.DECRYPT


@dataclass(frozen=True, slots=True)
class Abilities:
    """The outcome, finer than KMIP's terms."""

    wrap_form: int
    """Row of mechanisms.WRAP_FORMS for keeping keys wrapped; 0 where none works."""
    unwrap_template: bool
    """The token enforces CKA_UNWRAP_TEMPLATE."""
    key_wraps: dict[BlockCipherMode, Mechanism]
    odd_wraps: bool
    """AES_KEY_WRAP_PADDING is right for lengths that are no multiple of 8 (SoftHSM adds zeros)."""
    private_extras: dict[Any, Any]
    """Attributes that the token wants when it unwraps a private key."""
    keepable: frozenset[KeyType]
    """What the token wraps and unwraps again for use."""
    imports: frozenset[KeyType]
    aes_lengths: frozenset[int]
    hmac_keys: bool
    rsa_lengths: frozenset[int]
    curves: frozenset[RecommendedCurve]
    ciphers: frozenset[BlockCipherMode]
    oaep: frozenset[tuple[HashingAlgorithm, HashingAlgorithm]]
    """(Hashing Algorithm, Mask Generator Hashing Algorithm)"""
    transports: frozenset[tuple[HashingAlgorithm, HashingAlgorithm]]
    """The same, where an AES key is unwrapped into the token by it."""
    pkcs1_decryption: bool
    pss: frozenset[tuple[HashingAlgorithm, HashingAlgorithm]]
    pkcs1_signature: bool
    hmacs: frozenset[HashingAlgorithm]
    cmac: bool
    sm4: Sm4 | None = None
    """By the vendor's mechanisms that proved to be SM4."""
    sm2: Sm2 | None = None
    """The same of SM2."""
    edwards: bytes | None = None
    """CKA_EC_PARAMS of the token's Ed25519; None where it has none."""
    report: dict[str, str] = field(default_factory=dict)
    """Every check and "ok", or why not."""

    def modes(self, algorithm: CryptographicAlgorithm) -> Collection[BlockCipherMode]:
        """The modes in which symmetric keys of this algorithm encrypt."""
        if algorithm == CryptographicAlgorithm.AES:
            return self.ciphers
        if algorithm == CryptographicAlgorithm.SM4 and self.sm4 is not None:
            return self.sm4.modes.keys()
        return ()

    def secret_kind(self, algorithm: CryptographicAlgorithm | None) -> table.SecretKind | None:
        """How symmetric keys of this algorithm are made; None where the token has none."""
        if algorithm == CryptographicAlgorithm.SM4 and self.sm4 is not None:
            return self.sm4.kind
        return table.SECRETS.get(algorithm) if algorithm is not None else None

    def private_type(self, algorithm: CryptographicAlgorithm | None) -> KeyType | None:
        """What private keys of this algorithm are inside the token; None where it has none."""
        if algorithm == CryptographicAlgorithm.SM2 and self.sm2 is not None:
            return self.sm2.key_type
        return table.PRIVATE_TYPES.get(algorithm) if algorithm is not None else None

    @property
    def gcm(self) -> bool:
        return BlockCipherMode.GCM in self.ciphers

    @property
    def keeps_data_keys(self) -> bool:
        """Whether the token may be a tenant's root."""
        return self.gcm or bool(self.wrap_form)

    def curve(self, curve: RecommendedCurve | None, length: int) -> tuple[RecommendedCurve, int]:
        """The curve, and its length, that a request means. Raises UnsupportedError, InvalidParametersError."""
        if curve is None:
            curve = CURVE_BY_LENGTH.get(length)
        if curve is None or curve not in self.curves:
            raise UnsupportedError("the token does not offer the curve")
        bits = asymmetric.CURVES[curve].key_size
        if length not in (0, bits):
            raise InvalidParametersError("the Cryptographic Length is not the Recommended Curve's")
        return curve, bits

    def unwrap_mechanism(self, mode: BlockCipherMode) -> Mechanism:
        """The mechanism that proved to be this mode. Raises UnsupportedError."""
        mechanism = self.key_wraps.get(mode)
        if mechanism is None:
            raise UnsupportedError(f"the token does not offer {mode.name}")
        return mechanism

    def wrap_mechanism(self, mode: BlockCipherMode, size: int) -> Mechanism:
        """The same for wrapping `size` bytes. Raises UnsupportedError, InvalidParametersError."""
        mechanism = self.unwrap_mechanism(mode)
        if mode == BlockCipherMode.AES_KEY_WRAP_PADDING:
            if not size:
                raise InvalidParametersError("there is nothing to wrap")
            if size % 8 and not self.odd_wraps:
                raise UnsupportedError("the token wraps multiples of 8 bytes only")
        elif size < 16 or size % 8:
            raise InvalidParametersError("NIST key wrap takes 16 bytes or more, in multiples of 8")
        return mechanism

    def decrypts(self, scheme: RsaScheme) -> bool:
        """Whether RSA decryption with these parameters works."""
        if scheme.padding == PaddingMethod.PKCS1_V1_5:
            return self.pkcs1_decryption
        return (scheme.hashing, scheme.mask_hashing) in self.oaep

    def unwraps_into(self, scheme: RsaScheme) -> bool:
        """Whether an AES key under an RSA key comes into the token without leaving it in between."""
        return scheme.padding == PaddingMethod.OAEP and (scheme.hashing, scheme.mask_hashing) in self.transports

    def signs(self, scheme: SignatureScheme) -> bool:
        """Whether RSA signatures with these parameters work."""
        if scheme.padding == PaddingMethod.PSS:
            return (scheme.hashing, scheme.mask_hashing) in self.pss
        return self.pkcs1_signature

    def capabilities(self) -> Capabilities:
        """In KMIP's terms, for Query and for refusals."""
        aes = CryptographicAlgorithm.AES
        keys: set[tuple[CryptographicAlgorithm, int]] = {(aes, length) for length in self.aes_lengths}
        if self.hmac_keys:
            keys |= {
                (hmac, length)
                for hmac, hashing in HMACS.items()
                if hashing in self.hmacs
                for length in table.hmac_lengths(hashing)
            }
        keys |= {(CryptographicAlgorithm.RSA, length) for length in self.rsa_lengths}
        for curve in self.curves:
            bits = asymmetric.CURVES[curve].key_size
            keys |= {(CryptographicAlgorithm.EC, bits), (CryptographicAlgorithm.ECDSA, bits)}
        if self.edwards is not None:
            keys.add((CryptographicAlgorithm.ED25519, 256))
        if self.sm2 is not None:
            keys.add((CryptographicAlgorithm.SM2, 256))
        if self.sm4 is not None:
            keys.add((CryptographicAlgorithm.SM4, 128))
        modes = {*self.ciphers, *self.key_wraps, *({BlockCipherMode.CMAC} if self.cmac else ())}
        macs = {hmac for hmac, hashing in HMACS.items() if hashing in self.hmacs}
        return Capabilities(
            key_algorithms=frozenset(keys),
            curves=self.curves,
            cipher_modes=frozenset(
                {
                    *((aes, mode) for mode in modes),
                    *((CryptographicAlgorithm.SM4, mode) for mode in self.modes(CryptographicAlgorithm.SM4)),
                }
            ),
            paddings=frozenset(
                {(PaddingMethod.OAEP, hashing) for hashing, mask in self.oaep if hashing == mask}
                | ({(PaddingMethod.PKCS1_V1_5, None)} if self.pkcs1_decryption else set())
                | ({(vendor.SM2_C1C3C2, None), (vendor.SM2_DER, None)} if self._sm2_is_for(_DECRYPT) else set())
            ),
            signatures=frozenset(name for name in SIGNATURE_ALGORITHMS if self._signs(name))
            | ({vendor.SM2_WITH_SM3} if self._sm2_is_for(_SIGN) else frozenset()),
            macs=frozenset(macs | ({aes} if self.cmac else set())),
        )

    def _sm2_is_for(self, use: MechanismFlag) -> bool:
        return self.sm2 is not None and bool(self.sm2.private & use)

    def _signs(self, name: DigitalSignatureAlgorithm) -> bool:
        if name == DigitalSignatureAlgorithm.RSASSA_PSS:
            return bool(self.pss)
        if name.name.startswith("ECDSA"):
            return bool(self.curves)
        return self.pkcs1_signature and "SHA3" not in name.name
