"""Keys under software protection: sealed in the store, in this process's memory for the length of one call.

Nothing unsealed is kept between calls: a cache of plaintext would be worth more to whoever reads this
process's memory than to its speed, since opening a blob takes a few microseconds.
"""

from __future__ import annotations

import os
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import rsa

from kmsd.crypto import asymmetric, keyformats, parameters, signatures, streams, symmetric
from kmsd.crypto.derivation import derive
from kmsd.crypto.errors import InvalidParametersError, KeyMaterialError, UnsupportedError
from kmsd.crypto.provider import Capabilities, Derivation, Encrypted, KeyReference, NewKey, Stream
from kmsd.crypto.sealing import Sealing
from kmsd.domain.objects import Material, ProtectionLevel
from kmsd.domain.usage import KeyUse, Purpose
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

CAPABILITIES = Capabilities(
    key_algorithms=frozenset(
        {
            *((Algorithm.AES, length) for length in symmetric.AES_LENGTHS),
            *((algorithm, length) for algorithm in parameters.HMACS for length in _HMAC_LENGTHS),
            *((Algorithm.RSA, length) for length in asymmetric.RSA_LENGTHS),
            *((algorithm, length) for algorithm in parameters.EC for length in asymmetric.CURVE_BY_LENGTH),
        }
    ),
    curves=asymmetric.GENERATED_CURVES,
    cipher_modes=frozenset(
        (Algorithm.AES, mode)
        for mode in (
            BlockCipherMode.ECB,
            BlockCipherMode.CBC,
            BlockCipherMode.CTR,
            BlockCipherMode.GCM,
            BlockCipherMode.CMAC,
            BlockCipherMode.NIST_KEY_WRAP,
            BlockCipherMode.AES_KEY_WRAP_PADDING,
        )
    ),
    paddings=frozenset(
        {
            (PaddingMethod.PKCS1_V1_5, None),
            *((PaddingMethod.OAEP, hashing) for hashing in parameters.DIGEST_SIZES),
        }
    ),
    signatures=parameters.SIGNATURE_ALGORITHMS,
    macs=frozenset({*parameters.HMACS, Algorithm.AES}),
    key_wrap=True,
)

_SHORT = 64 * 1024
"""Bytes of data up to which a symmetric call is short."""
_KEYS = (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY)


class SoftwareProvider:
    """The Provider (kmsd.crypto.provider) whose keys are sealed by a Sealing."""

    protection = ProtectionLevel.SOFTWARE
    capabilities = CAPABILITIES

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    # --- making and keeping ---

    def generate(self, reference: KeyReference) -> NewKey:
        """A symmetric or HMAC key of `reference.length` bits. Raises UnsupportedError."""
        if (
            reference.object_type != ObjectType.SYMMETRIC_KEY
            or (reference.algorithm, reference.length) not in CAPABILITIES.key_algorithms
            or reference.algorithm in parameters.RSA | parameters.EC
        ):
            raise UnsupportedError("symmetric keys of this algorithm and length are not supported")
        return self._keep(reference, os.urandom(reference.length // 8), KeyFormatType.RAW)

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
        else:
            raise UnsupportedError("key pairs of this algorithm are not supported")
        return (
            self._keep(replace(public, length=key.key_size), asymmetric.spki(key.public_key()), KeyFormatType.X_509),
            self._keep(replace(private, length=key.key_size), asymmetric.pkcs8(key), KeyFormatType.PKCS_8),
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
            reference = replace(reference, length=parsed.length)
        return self._keep(reference, plaintext, format_)

    def export(self, use: KeyUse) -> bytes:
        """The plaintext in the format that its Material names."""
        return self._open(use)

    def destroy(self, reference: KeyReference, material: Material) -> None:
        """Nothing is kept here: the store drops the blob."""

    # --- using ---

    def encrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None) -> Encrypted:
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            scheme = parameters.cipher_scheme(use.parameters)
            return symmetric.encrypt(self._aes(use), scheme, data, iv, aad)
        key = self._public(use)
        if not isinstance(key, rsa.RSAPublicKey):
            raise UnsupportedError("elliptic curve keys do not encrypt")
        _refuse(iv, aad, None)
        return Encrypted(asymmetric.rsa_encrypt(key, parameters.rsa_scheme(use.parameters), data))

    def decrypt(self, use: KeyUse, data: bytes, iv: bytes | None, aad: bytes | None, tag: bytes | None) -> bytes:
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            scheme = parameters.cipher_scheme(use.parameters)
            return symmetric.decrypt(self._aes(use), scheme, data, iv, aad, tag)
        key = self._private(use)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UnsupportedError("elliptic curve keys do not decrypt")
        _refuse(iv, aad, tag)
        return asymmetric.rsa_decrypt(key, parameters.rsa_scheme(use.parameters), data)

    def sign(self, use: KeyUse, data: bytes | None, digested: bytes | None) -> bytes:
        key = self._private(use)
        scheme = parameters.signature_scheme(use.parameters, signatures.algorithm_of(key), key.key_size, digested)
        return signatures.sign(key, scheme, data, digested)

    def verify(self, use: KeyUse, data: bytes | None, digested: bytes | None, signature: bytes) -> bool:
        """Whether the signature is good. It is not, rather than an error, where the parameters fit no
        signature of this key (the OASIS case TC-ECDSA-SIGN-DIGESTEDDATA asks an EC key to verify RSA-PSS)."""
        key = self._public(use)
        if data is None and digested is None:
            raise InvalidParametersError("there is nothing to verify")
        try:
            scheme = parameters.signature_scheme(use.parameters, signatures.algorithm_of(key), key.key_size, digested)
        except InvalidParametersError:
            return False
        return signatures.verify(key, scheme, data, digested, signature)

    def mac(self, use: KeyUse, data: bytes) -> bytes:
        return symmetric.mac(*self._mac(use), data)

    def mac_verify(self, use: KeyUse, data: bytes, mac: bytes) -> bool:
        """Whether the MAC is good, in constant time."""
        return symmetric.mac_verify(*self._mac(use), data, mac)

    def wrap(self, use: KeyUse, plaintext: bytes) -> bytes:
        """NIST key wrap of `plaintext` under an AES key; OAEP or PKCS#1 v1.5 under an RSA public key."""
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            return symmetric.wrap(self._aes(use), parameters.wrap_mode(use.parameters), plaintext)
        return self.encrypt(use, plaintext, None, None).data

    def unwrap(self, use: KeyUse, wrapped: bytes) -> bytes:
        if use.object_type == ObjectType.SYMMETRIC_KEY:
            return symmetric.unwrap(self._aes(use), parameters.wrap_mode(use.parameters), wrapped)
        return self.decrypt(use, wrapped, None, None, None)

    def begin(self, use: KeyUse, iv: bytes | None, aad: bytes | None) -> Stream | None:
        if use.object_type != ObjectType.SYMMETRIC_KEY:
            return None
        if use.purpose in (Purpose.MAC_GENERATE, Purpose.MAC_VERIFY):
            return streams.MacStream(*self._mac(use))
        scheme = parameters.cipher_scheme(use.parameters)
        if use.purpose is Purpose.ENCRYPT:
            return streams.EncryptStream(self._aes(use), scheme, iv or b"", aad)
        if use.purpose is Purpose.DECRYPT and not scheme.tag_length:
            return streams.DecryptStream(self._aes(use), scheme, iv or b"", aad)
        return None

    def derive(self, use: KeyUse, derivation: Derivation) -> bytes:
        """Bytes derived from a symmetric key, Secret Data, or an elliptic curve private key."""
        return derive(self._open(use), use.algorithm, derivation)

    def random(self, length: int) -> bytes:
        """`length` bytes of the kernel's generator. Raises InvalidParametersError for a negative length."""
        if length < 0:
            raise InvalidParametersError("the length is negative")
        return os.urandom(length)

    def is_short(self, algorithm: CryptographicAlgorithm | None, size: int) -> bool:
        """RSA takes 0.3 ms and more, a key pair of it far more; all else is a matter of `size` in bytes."""
        return size <= _SHORT and algorithm not in parameters.RSA

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

    def _aes(self, use: KeyUse) -> bytes:
        if use.algorithm != Algorithm.AES:
            raise UnsupportedError("keys of this algorithm do not encrypt here")
        return self._open(use)

    def _mac(self, use: KeyUse) -> tuple[bytes, HashingAlgorithm | None]:
        if use.object_type not in (ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA):
            raise InvalidParametersError("a MAC needs a symmetric key")
        scheme = parameters.mac_scheme(use.parameters, use.algorithm)
        return self._open(use), scheme

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


def _refuse(iv: bytes | None, aad: bytes | None, tag: bytes | None) -> None:
    if iv or aad or tag:
        raise InvalidParametersError("RSA takes no IV, additional data or tag")
