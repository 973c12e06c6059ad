"""KMIP's names for algorithms to PKCS#11's: tables, and the parameters that go with them.

Signatures are made on digests, with CKM_RSA_PKCS, CKM_RSA_PKCS_PSS and CKM_ECDSA: every token has these, hashing is
no use of a key, and long data does not pass through the token. Block padding is put on and taken off here for the
same reason: it is a form of the data.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import MGF, GCMParams, KeyType, Mechanism, MechanismFlag

from kmsd.crypto.ciphers import CipherScheme
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hashes import digest
from kmsd.crypto.parameters import DIGEST_SIZES, HMACS, RsaScheme, SignatureScheme
from kmsd.crypto.symmetric import counter_block
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm, PaddingMethod, RecommendedCurve

_ENCRYPTING = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
WRAPPING = MechanismFlag.WRAP | MechanismFlag.UNWRAP
PRIVATE: dict[KeyType, MechanismFlag] = {
    KeyType.RSA: MechanismFlag.DECRYPT | MechanismFlag.SIGN,
    KeyType.EC: MechanismFlag.SIGN,
    KeyType.EC_EDWARDS: MechanismFlag.SIGN,
}
"""What private keys are good for inside the token."""
PAIRS: dict[KeyType, MechanismFlag] = {
    KeyType.RSA: PRIVATE[KeyType.RSA] | MechanismFlag.ENCRYPT | MechanismFlag.VERIFY,
    KeyType.EC: PRIVATE[KeyType.EC] | MechanismFlag.VERIFY,
    KeyType.EC_EDWARDS: PRIVATE[KeyType.EC_EDWARDS] | MechanismFlag.VERIFY,
}
"""For making a pair: NSS tries the new pair, so the public key must be good for the counterpart."""


class SecretKind(NamedTuple):
    """A kind of symmetric key inside the token."""

    key_type: KeyType
    generation: Mechanism
    capabilities: MechanismFlag
    """Of a resident key; a wrapped one gets those of its use only."""


SECRETS: dict[CryptographicAlgorithm, SecretKind] = {
    CryptographicAlgorithm.AES: SecretKind(
        KeyType.AES, Mechanism.AES_KEY_GEN, _ENCRYPTING | MechanismFlag.SIGN | WRAPPING
    ),
    **{
        hmac: SecretKind(KeyType.GENERIC_SECRET, Mechanism.GENERIC_SECRET_KEY_GEN, MechanismFlag.SIGN) for hmac in HMACS
    },
}


class SecretUse(NamedTuple):
    """What an unwrapped symmetric key is, for one family of uses: no handle both decrypts and unwraps."""

    key_type: KeyType
    capabilities: MechanismFlag


SECRET_USES: dict[str, SecretUse] = {
    "cipher": SecretUse(KeyType.AES, _ENCRYPTING),
    "cmac": SecretUse(KeyType.AES, MechanismFlag.SIGN),
    "hmac": SecretUse(KeyType.GENERIC_SECRET, MechanismFlag.SIGN),
    "wrap": SecretUse(KeyType.AES, WRAPPING),
}

PRIVATE_TYPES: dict[CryptographicAlgorithm, KeyType] = {
    CryptographicAlgorithm.RSA: KeyType.RSA,
    CryptographicAlgorithm.EC: KeyType.EC,
    CryptographicAlgorithm.ECDSA: KeyType.EC,
    CryptographicAlgorithm.ECDH: KeyType.EC,
    CryptographicAlgorithm.ED25519: KeyType.EC_EDWARDS,
}

HMAC_MECHANISMS: dict[HashingAlgorithm, Mechanism] = {
    HashingAlgorithm.SHA_1: Mechanism.SHA_1_HMAC,
    HashingAlgorithm.SHA_224: Mechanism.SHA224_HMAC,
    HashingAlgorithm.SHA_256: Mechanism.SHA256_HMAC,
    HashingAlgorithm.SHA_384: Mechanism.SHA384_HMAC,
    HashingAlgorithm.SHA_512: Mechanism.SHA512_HMAC,
    HashingAlgorithm.SHA3_224: Mechanism.SHA3_224_HMAC,
    HashingAlgorithm.SHA3_256: Mechanism.SHA3_256_HMAC,
    HashingAlgorithm.SHA3_384: Mechanism.SHA3_384_HMAC,
    HashingAlgorithm.SHA3_512: Mechanism.SHA3_512_HMAC,
}


def hmac_lengths(hashing: HashingAlgorithm) -> range:
    """Bits of the HMAC keys that are made: from the digest's size, below which SoftHSM refuses, to the block's.

    Up to the block size a key with zeros added is the same HMAC key (RFC 2104 §2), as SoftHSM brings it back.
    """
    size = DIGEST_SIZES[hashing]
    return range(size * 8, (512 if size <= 32 else 1024) + 1, 8)


def hmac_value(hashing: HashingAlgorithm, value: bytes) -> bytes:
    """The same HMAC key as tokens take it (RFC 2104 §2): one that is longer than the hash's block stands for its
    digest, and zeros are added up to the digest's size and a multiple of 8."""
    size = DIGEST_SIZES[hashing]
    if len(value) * 8 >= hmac_lengths(hashing).stop:
        value = digest(hashing, value)
    return value.ljust(max(size, (len(value) + 7) // 8 * 8), b"\0")


class HashNames(NamedTuple):
    """A hash as RSA schemes name it: PKCS#11's mechanism and mask, and the head of a DigestInfo (RFC 8017 §9.2)."""

    mechanism: Mechanism
    mask: MGF
    digest_info: bytes


RSA_HASHES: dict[HashingAlgorithm, HashNames] = {
    HashingAlgorithm.SHA_1: HashNames(Mechanism.SHA_1, MGF.SHA1, bytes.fromhex("3021300906052b0e03021a05000414")),
    HashingAlgorithm.SHA_224: HashNames(
        Mechanism.SHA224, MGF.SHA224, bytes.fromhex("302d300d06096086480165030402040500041c")
    ),
    HashingAlgorithm.SHA_256: HashNames(
        Mechanism.SHA256, MGF.SHA256, bytes.fromhex("3031300d060960864801650304020105000420")
    ),
    HashingAlgorithm.SHA_384: HashNames(
        Mechanism.SHA384, MGF.SHA384, bytes.fromhex("3041300d060960864801650304020205000430")
    ),
    HashingAlgorithm.SHA_512: HashNames(
        Mechanism.SHA512, MGF.SHA512, bytes.fromhex("3051300d060960864801650304020305000440")
    ),
}

EC_PARAMETERS: dict[RecommendedCurve, bytes] = {
    RecommendedCurve.P_256: bytes.fromhex("06082a8648ce3d030107"),
    RecommendedCurve.P_384: bytes.fromhex("06052b81040022"),
    RecommendedCurve.P_521: bytes.fromhex("06052b81040023"),
    RecommendedCurve.SECP256K1: bytes.fromhex("06052b8104000a"),
}
"""CKA_EC_PARAMS: the curve's object identifier in DER (SEC 2; RFC 5480 §2.1.1.1)."""

EDWARDS_PARAMETERS = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))
"""CKA_EC_PARAMS of Ed25519: its object identifier (PKCS#11 v3.1 §6.3.10; RFC 8410 §3), or the name "edwards25519" that
v3.0 had and SoftHSM takes."""

WRAP_FORMS: dict[int, Mechanism] = {
    1: Mechanism.AES_KEY_WRAP_PAD,
    2: Mechanism.AES_KEY_WRAP_KWP,
    3: Mechanism.AES_KEY_WRAP,
}
"""How a key may be wrapped for keeping, in order of preference; the number is kept in the blob.

AES_KEY_WRAP_PAD is RFC 5649 on SoftHSM and RFC 3394 with PKCS#7 padding on NSS: both are authenticated, and a blob
is only ever read by the token that made it.
"""

_CTR = struct.Struct("L16s")
GCM_IV_LIMIT = 12
"""Bytes; python-pkcs11 takes no longer ones."""


def cipher(scheme: CipherScheme, iv: bytes, aad: bytes | None) -> tuple[Mechanism, Any]:
    """Mechanism and parameter for AES in the scheme's mode. Raises UnsupportedError."""
    if scheme.mode == BlockCipherMode.GCM:
        if len(iv) > GCM_IV_LIMIT:
            raise UnsupportedError("the token takes no IV of more than 12 bytes for GCM")
        return Mechanism.AES_GCM, GCMParams(iv, aad or None, scheme.tag_length * 8)
    if scheme.mode == BlockCipherMode.CTR:
        # All 128 bits count, as in NIST SP 800-38A §6.5 and OpenSSL; python-pkcs11's own type leaves less.
        return Mechanism.AES_CTR, _CTR.pack(128, counter_block(scheme, iv))
    if scheme.mode == BlockCipherMode.CBC:
        return Mechanism.AES_CBC, iv
    return Mechanism.AES_ECB, None


def rsa_cipher(scheme: RsaScheme) -> tuple[Mechanism, Any]:
    """Mechanism and parameter for RSA decryption. Raises UnsupportedError."""
    if scheme.padding == PaddingMethod.PKCS1_V1_5:
        return Mechanism.RSA_PKCS, None
    names = rsa_hash(scheme.hashing)
    return Mechanism.RSA_PKCS_OAEP, (names.mechanism, rsa_hash(scheme.mask_hashing).mask, scheme.label or None)


def rsa_hash(hashing: HashingAlgorithm) -> HashNames:
    names = RSA_HASHES.get(hashing)
    if names is None:
        raise UnsupportedError(f"{hashing.name} is not supported with RSA keys in the token")
    return names


def rsa_signature(scheme: SignatureScheme, value: bytes) -> tuple[bytes, Mechanism, Any]:
    """What the token signs for a digest, and how. Raises UnsupportedError."""
    if scheme.padding != PaddingMethod.PSS:
        if scheme.hashing is None:
            return value, Mechanism.RSA_PKCS, None
        return rsa_hash(scheme.hashing).digest_info + value, Mechanism.RSA_PKCS, None
    if scheme.hashing is None or scheme.mask_hashing is None:
        raise InvalidParametersError("PSS needs a Hashing Algorithm")
    salt = len(value) if scheme.salt_length is None else scheme.salt_length
    names = rsa_hash(scheme.hashing)
    return value, Mechanism.RSA_PKCS_PSS, (names.mechanism, rsa_hash(scheme.mask_hashing).mask, salt)


def ecdsa_der(raw: bytes) -> bytes:
    """PKCS#11's r || s (2.40 §2.3.1) as KMIP's clients want it: DER."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def point(token_value: bytes, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    """The public key from CKA_EC_POINT: a DER OCTET STRING, or the bare point on older tokens."""
    size = 1 + 2 * ((curve.key_size + 7) // 8)
    # The point's length is known, so whatever is in front of it is DER's tag and length.
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, token_value[-size:])


def edwards_point(token_value: bytes) -> ed25519.Ed25519PublicKey:
    """The public key from CKA_EC_POINT: the 32 bytes of RFC 8032, whatever DER is in front of them."""
    return ed25519.Ed25519PublicKey.from_public_bytes(token_value[-32:])
