"""Keys under software protection: sealed in the store, in this process's memory for the length of one call.

Nothing unsealed is kept between calls: a cache of plaintext would be worth more to whoever reads this
process's memory than to its speed, since opening a blob takes a few microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from kmsd.crypto import asymmetric, ciphers, keyformats, parameters, signatures, sm2, streams, symmetric
from kmsd.crypto.derivation import derive
from kmsd.crypto.errors import InvalidParametersError, KeyMaterialError, UnsupportedError
from kmsd.crypto.holdings import Holdings
from kmsd.crypto.provider import Capabilities, Derivation, Encrypted, KeyReference, NewKey, Stream
from kmsd.crypto.sealing import Sealing
from kmsd.domain.algorithms import CURVE_BY_LENGTH, DECRYPTING, FIXED_LENGTHS
from kmsd.domain.objects import Material, ProtectionLevel
from kmsd.domain.usage import KeyUse, Purpose
from protocol import vendor
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    HashingAlgorithm,
    KeyFormatType,
    ObjectType,
    PaddingMethod,
    RecommendedCurve,
)

Algorithm = CryptographicAlgorithm

_HMAC_LENGTHS = frozenset(range(112, 1025, 8))
"""Bits of the HMAC keys that are generated (NIST SP 800-131A: 112 at least)."""

_LENGTHS: dict[Algorithm, Iterable[int]] = {
    **{algorithm: cipher.sizes for algorithm, cipher in ciphers.CIPHERS.items()},
    Algorithm.DES3: ciphers.DES3_SIZES,
    **dict.fromkeys(parameters.HMACS, _HMAC_LENGTHS),
}
"""Bits of the symmetric keys that are generated."""


@cache
def capabilities() -> Capabilities:
    """What software does here: SM2 where the system's libcrypto has it, all else everywhere."""
    has_sm2 = sm2.support().available
    fixed = {(algorithm, length) for algorithm, length in FIXED_LENGTHS.items() if algorithm != Algorithm.SM2}
    return Capabilities(
        key_algorithms=frozenset(
            {
                *((algorithm, length) for algorithm, lengths in _LENGTHS.items() for length in lengths),
                *((Algorithm.RSA, length) for length in asymmetric.RSA_LENGTHS),
                *((algorithm, length) for algorithm in parameters.EC for length in CURVE_BY_LENGTH),
                *fixed,
                *({(Algorithm.SM2, sm2.BITS)} if has_sm2 else ()),
            }
        ),
        curves=asymmetric.GENERATED_CURVES | {RecommendedCurve.CURVE25519},
        cipher_modes=frozenset(
            {
                *((algorithm, mode) for algorithm, cipher in ciphers.CIPHERS.items() for mode in cipher.modes),
                (Algorithm.AES, BlockCipherMode.CMAC),
                (Algorithm.AES, BlockCipherMode.NIST_KEY_WRAP),
                (Algorithm.AES, BlockCipherMode.AES_KEY_WRAP_PADDING),
            }
        ),
        paddings=frozenset(
            {
                (PaddingMethod.PKCS1_V1_5, None),
                *((PaddingMethod.OAEP, hashing) for hashing in parameters.DIGEST_SIZES if hashing != vendor.SM3),
                *({(vendor.SM2_C1C3C2, None), (vendor.SM2_DER, None)} if has_sm2 else ()),
            }
        ),
        signatures=parameters.SIGNATURE_ALGORITHMS | ({vendor.SM2_WITH_SM3} if has_sm2 else set()),
        macs=frozenset({*parameters.HMACS, Algorithm.AES}),
    )


_SHORT = 64 * 1024
"""Bytes of data up to which a symmetric call is short."""
_KEYS = (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY)


class SoftwareProvider:
    """The Provider (kmsd.crypto.provider) whose keys are sealed by a Sealing."""

    protection = ProtectionLevel.SOFTWARE

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self.capabilities = capabilities()

    # --- making and keeping ---

    def generate(self, reference: KeyReference) -> NewKey:
        """A symmetric or HMAC key of `reference.length` bits. Raises UnsupportedError."""
        algorithm, length = reference.algorithm, reference.length
        if (
            reference.object_type != ObjectType.SYMMETRIC_KEY
            or algorithm is None
            or length not in _LENGTHS.get(algorithm, ())
        ):
            raise UnsupportedError("symmetric keys of this algorithm and length are not supported")
        if algorithm == Algorithm.DES3:
            return self._keep(reference, _with_parity(os.urandom(ciphers.DES3_SIZES[length] // 8)), KeyFormatType.RAW)
        return self._keep(reference, os.urandom(length // 8), KeyFormatType.RAW)

    def generate_pair(
        self, public: KeyReference, private: KeyReference, curve: RecommendedCurve | None
    ) -> tuple[NewKey, NewKey]:
        """(public, private), kept as SubjectPublicKeyInfo and PKCS#8.

        The length may be 0 where a curve is given. Raises UnsupportedError, InvalidParametersError.
        """
        key: asymmetric.PrivateKey
        if private.algorithm in parameters.RSA:
            key = asymmetric.generate_rsa(private.length)
        elif private.algorithm in parameters.EC:
            key = asymmetric.generate_ec(private.length, curve)
        elif private.algorithm is not None and private.length in (0, FIXED_LENGTHS.get(private.algorithm)):
            key = asymmetric.generate(private.algorithm)
        else:
            raise UnsupportedError("key pairs of this algorithm and length are not supported")
        length = asymmetric.size_of(key)
        spki = asymmetric.spki(asymmetric.public_of(key))
        return (
            self._keep(public._replace(length=length), spki, KeyFormatType.X_509),
            self._keep(private._replace(length=length), asymmetric.pkcs8(key), KeyFormatType.PKCS_8),
        )

    def store(self, reference: KeyReference, plaintext: bytes, format_: KeyFormatType | None) -> NewKey:
        """Keep material in a format that kmsd.crypto.keyformats.parse gave.

        A length of 0 is filled in for keys; the material is sealed under the length of the NewKey. Raises
        KeyMaterialError.
        """
        if not plaintext:
            raise KeyMaterialError("the Key Material is empty")
        if reference.object_type in (*_KEYS, ObjectType.SYMMETRIC_KEY) and format_ in _CHECKED:
            parsed = keyformats.parse(
                reference.object_type, format_, plaintext, reference.algorithm, reference.length or None
            )
            reference = reference._replace(length=parsed.length)
        return self._keep(reference, plaintext, format_)

    def take_wrapped(self, use: KeyUse, wrapped: bytes, reference: KeyReference) -> None:
        """Here the plaintext is in this process anyway: `unwrap` and `store`."""

    def export(self, use: KeyUse) -> bytes:
        """The plaintext in the format that its Material names."""
        return self._open(use)

    def destroy(self, reference: KeyReference, material: Material) -> None:
        """Nothing is kept here: the store drops the blob."""

    def settle(self) -> int:
        return 0

    def holdings(self) -> Holdings:
        return Holdings("")

    def discard(self, tenant: str, key_id: bytes) -> None:
        raise UnsupportedError("no keys are kept here")

    # --- using ---

    def encrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None) -> Encrypted:
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            scheme = self._cipher(use)
            return symmetric.encrypt(self._open(use), scheme, data, iv, aad)
        key = self._public(use)
        if isinstance(key, sm2.Sm2PublicKey):
            _refuse(iv, aad, None)
            in_der = parameters.sm2_writes_der(use.parameters)
            ciphertext = key.encrypt(data)
            return Encrypted(sm2.to_der(ciphertext) if in_der else ciphertext)
        if not isinstance(key, rsa.RSAPublicKey):
            raise UnsupportedError("keys of this kind do not encrypt")
        _refuse(iv, aad, None)
        return Encrypted(asymmetric.rsa_encrypt(key, parameters.rsa_scheme(use.parameters), data))

    def decrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None, tag: bytes | None) -> bytes:
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            scheme = self._cipher(use)
            return symmetric.decrypt(self._open(use), scheme, data, iv, aad, tag)
        key = self._private(use)
        if isinstance(key, sm2.Sm2PrivateKey):
            _refuse(iv, aad, tag)
            parameters.sm2_writes_der(use.parameters)
            return key.decrypt(data)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UnsupportedError("keys of this kind do not decrypt")
        _refuse(iv, aad, tag)
        return asymmetric.rsa_decrypt(key, parameters.rsa_scheme(use.parameters), data)

    def sign(self, use: KeyUse, data: bytes | None, digested: bytes | None) -> bytes:
        key = self._private(use)
        scheme = _signature_scheme(use, key, digested)
        return signatures.sign(key, scheme, data, digested)

    def verify(self, use: KeyUse, data: bytes | None, digested: bytes | None, signature: bytes) -> bool:
        """Whether the signature is good. It is not, rather than an error, where the parameters fit no
        signature of this key (the OASIS case TC-ECDSA-SIGN-DIGESTEDDATA asks an EC key to verify RSA-PSS)."""
        key = self._public(use)
        if data is None and digested is None:
            raise InvalidParametersError("there is nothing to verify")
        try:
            scheme = _signature_scheme(use, key, digested)
        except InvalidParametersError:
            return False
        return signatures.verify(key, scheme, data, digested, signature)

    def mac(self, use: KeyUse, data: bytes) -> bytes:
        return symmetric.mac(*self._mac(use), data)

    def mac_verify(self, use: KeyUse, data: bytes, mac: bytes) -> bool:
        """Whether the MAC is good, in constant time."""
        return symmetric.mac_verify(*self._mac(use), data, mac)

    def wrap(self, use: KeyUse, plaintext: bytes) -> Encrypted:
        """Under a symmetric key NIST key wrap or a mode that authenticates; under an RSA public key OAEP or PKCS#1."""
        if use.object_type == ObjectType.SYMMETRIC_KEY and not _sealing_scheme(use, makes=True):
            return Encrypted(symmetric.wrap(self._aes(use), ciphers.wrap_mode(use.parameters), plaintext))
        made = self.encrypt(use, plaintext, None, None)
        return Encrypted(made.whole, made.iv)

    def unwrap(self, use: KeyUse, wrapped: bytes, iv: bytes | None = None) -> bytes:
        scheme = _sealing_scheme(use, makes=False)
        if scheme is not None:
            data, tag = scheme.divided(wrapped)
            return self.decrypt(use, data, iv, None, tag)
        _refuse(iv, None, None)
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            return symmetric.unwrap(self._aes(use), ciphers.wrap_mode(use.parameters), wrapped)
        return self.decrypt(use, wrapped, None, None, None)

    def begin(self, use: KeyUse, iv: bytes | None, aad: bytes | None) -> Stream | None:
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            return None
        if use.purpose in (Purpose.MAC_GENERATE, Purpose.MAC_VERIFY):
            return streams.MacStream(*self._mac(use))
        scheme = self._cipher(use)
        if scheme.mode in ciphers.WHOLE:
            return None
        if use.purpose is Purpose.ENCRYPT:
            return streams.EncryptStream(self._open(use), scheme, iv or b"", aad)
        if use.purpose is Purpose.DECRYPT and not scheme.tag_length:
            return streams.DecryptStream(self._open(use), scheme, iv or b"", aad)
        return None

    def derive(self, use: KeyUse, derivation: Derivation) -> bytes:
        """Bytes derived from a symmetric key, Secret Data, or an elliptic curve private key."""
        return derive(self._open(use), use.algorithm, derivation)

    def fingerprint(self, tenant: str, data: bytes) -> bytes:
        """HMAC-SHA-256 under a key of the tenant's own."""
        return self._sealing.fingerprint(tenant, data)

    def random(self, length: int) -> bytes:
        """`length` bytes of the kernel's generator. Raises InvalidParametersError for a negative length."""
        if length < 0:
            raise InvalidParametersError("the length is negative")
        return os.urandom(length)

    def is_short(self, algorithm: CryptographicAlgorithm | None, size: int) -> bool:
        """RSA, SM2 and ML-DSA take 0.3 ms and more; all else is a matter of `size` in bytes."""
        return size <= _SHORT and algorithm not in _SLOW

    # --- within ---

    def _keep(self, reference: KeyReference, plaintext: bytes, format_: KeyFormatType | None) -> NewKey:
        blob = self._sealing.seal(reference, format_, plaintext)
        return NewKey(
            Material("sealed", blob, format_),
            reference.length,
            keyformats.digest(reference.object_type, plaintext, format_, reference.algorithm),
        )

    def _open(self, use: KeyUse) -> bytes:
        material = use.material
        if material.kind != "sealed":
            raise UnsupportedError("the key is not under software protection")
        reference = KeyReference(use.tenant, use.uid, use.object_type, use.algorithm, use.length)
        return self._sealing.open(reference, material.format, material.blob)

    def _cipher(self, use: KeyUse) -> ciphers.CipherScheme:
        scheme = ciphers.cipher_scheme(use.parameters, use.algorithm)
        if scheme.algorithm in DECRYPTING and use.purpose is Purpose.ENCRYPT and not use.legacy:
            raise UnsupportedError(f"{scheme.algorithm.name} keys decrypt what is old, and encrypt nothing new")
        return scheme

    def _aes(self, use: KeyUse) -> bytes:
        if use.algorithm != Algorithm.AES or use.length not in symmetric.AES_LENGTHS:
            raise UnsupportedError("keys of this algorithm and length do not wrap here")
        return self._open(use)

    def _mac(self, use: KeyUse) -> tuple[bytes, HashingAlgorithm | None]:
        if use.object_type not in (ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA):
            raise InvalidParametersError("a MAC needs a symmetric key")
        hashing = parameters.mac_scheme(use.parameters, use.algorithm)
        if hashing is None and use.length not in symmetric.AES_LENGTHS:
            raise UnsupportedError("keys of this length do no CMAC")
        return self._open(use), hashing

    def _private(self, use: KeyUse) -> asymmetric.PrivateKey:
        if use.object_type != ObjectType.PRIVATE_KEY:
            raise InvalidParametersError("this needs a private key")
        return asymmetric.load_private(self._open(use), trusted=True)

    def _public(self, use: KeyUse) -> asymmetric.PublicKey:
        if use.object_type == ObjectType.PUBLIC_KEY:
            return asymmetric.load_public(self._open(use))
        if use.object_type == ObjectType.CERTIFICATE:
            return asymmetric.load_certificate(self._open(use))
        raise InvalidParametersError("this needs a public key or a certificate")


_CHECKED = frozenset(
    {
        KeyFormatType.RAW,
        KeyFormatType.PKCS_1,
        KeyFormatType.PKCS_8,
        KeyFormatType.X_509,
        KeyFormatType.EC_PRIVATE_KEY,
    }
)
"""What `store` looks into. The other kept formats are opaque to every operation."""


_SLOW = parameters.RSA | parameters.WHOLE_SIGNATURES - {Algorithm.ED25519}


def _signature_scheme(
    use: KeyUse, key: asymmetric.PrivateKey | asymmetric.PublicKey, digested: bytes | None
) -> parameters.SignatureScheme:
    return parameters.signature_scheme(use.parameters, asymmetric.algorithm_of(key), asymmetric.size_of(key), digested)


def _sealing_scheme(use: KeyUse, *, makes: bool) -> ciphers.CipherScheme | None:
    if use.object_type != ObjectType.SYMMETRIC_KEY:
        return None
    return ciphers.sealing_scheme(use.parameters, use.algorithm, makes=makes)


def _with_parity(key: bytes) -> bytes:
    """A DES key whose bytes have an odd number of ones each (FIPS 46-3)."""
    return bytes(byte ^ (byte.bit_count() + 1 & 1) for byte in key)


def _refuse(iv: bytes | None, aad: bytes | None, tag: bytes | None) -> None:
    if iv or aad or tag:
        raise InvalidParametersError("this takes no IV, additional data or tag")
