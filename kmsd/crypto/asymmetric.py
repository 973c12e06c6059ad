"""Keys of pairs: generation, loading, RSA encryption. Signatures are in kmsd.crypto.signatures.

RSA and the curves of ECDSA are "classic": certificates and PKCS#11 tokens know them. SM2 keys are of kmsd.crypto.sm2,
all others of `cryptography`.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, rsa, x25519
from cryptography.hazmat.primitives.asymmetric import padding as paddings
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from kmsd.crypto import sm2
from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.hashes import HASHES
from kmsd.crypto.parameters import RsaScheme
from kmsd.domain.algorithms import CURVE_BY_LENGTH, FIXED_LENGTHS, IMPLIED_CURVES
from protocol import vendor
from protocol.enums import CryptographicAlgorithm, PaddingMethod, RecommendedCurve

RSA_LENGTHS = (1024, 2048, 3072, 4096)
"""Bits of the RSA keys that are generated. 1024 is for old devices: a tenant has such keys only where its own list of
algorithms allows them, as no default does."""

PUBLIC_EXPONENT = 65537

ClassicPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ClassicPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
RawPrivateKey = (
    ed25519.Ed25519PrivateKey
    | x25519.X25519PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
    | mlkem.MLKEM768PrivateKey
    | mlkem.MLKEM1024PrivateKey
)
"""Keys that are byte strings: RFC 7748, RFC 8032, and the seeds of FIPS 203 and FIPS 204."""
RawPublicKey = (
    ed25519.Ed25519PublicKey
    | x25519.X25519PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
    | mlkem.MLKEM768PublicKey
    | mlkem.MLKEM1024PublicKey
)
PrivateKey = ClassicPrivateKey | RawPrivateKey | sm2.Sm2PrivateKey
PublicKey = ClassicPublicKey | RawPublicKey | sm2.Sm2PublicKey

_GENERATORS: dict[CryptographicAlgorithm, Callable[[], RawPrivateKey | sm2.Sm2PrivateKey]] = {
    CryptographicAlgorithm.SM2: sm2.generate,
    CryptographicAlgorithm.ED25519: ed25519.Ed25519PrivateKey.generate,
    vendor.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    vendor.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    vendor.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
    vendor.ML_KEM_768: mlkem.MLKEM768PrivateKey.generate,
    vendor.ML_KEM_1024: mlkem.MLKEM1024PrivateKey.generate,
}

_ALGORITHM_OF: dict[type, CryptographicAlgorithm] = {
    sm2.Sm2PrivateKey: CryptographicAlgorithm.SM2,
    sm2.Sm2PublicKey: CryptographicAlgorithm.SM2,
    rsa.RSAPrivateKey: CryptographicAlgorithm.RSA,
    rsa.RSAPublicKey: CryptographicAlgorithm.RSA,
    ec.EllipticCurvePrivateKey: CryptographicAlgorithm.EC,
    ec.EllipticCurvePublicKey: CryptographicAlgorithm.EC,
    ed25519.Ed25519PrivateKey: CryptographicAlgorithm.ED25519,
    ed25519.Ed25519PublicKey: CryptographicAlgorithm.ED25519,
    x25519.X25519PrivateKey: CryptographicAlgorithm.ECDH,
    x25519.X25519PublicKey: CryptographicAlgorithm.ECDH,
    mldsa.MLDSA44PrivateKey: vendor.ML_DSA_44,
    mldsa.MLDSA44PublicKey: vendor.ML_DSA_44,
    mldsa.MLDSA65PrivateKey: vendor.ML_DSA_65,
    mldsa.MLDSA65PublicKey: vendor.ML_DSA_65,
    mldsa.MLDSA87PrivateKey: vendor.ML_DSA_87,
    mldsa.MLDSA87PublicKey: vendor.ML_DSA_87,
    mlkem.MLKEM768PrivateKey: vendor.ML_KEM_768,
    mlkem.MLKEM768PublicKey: vendor.ML_KEM_768,
    mlkem.MLKEM1024PrivateKey: vendor.ML_KEM_1024,
    mlkem.MLKEM1024PublicKey: vendor.ML_KEM_1024,
}


def algorithm_of(key: PrivateKey | PublicKey) -> CryptographicAlgorithm:
    """RSA, EC, SM2, ...; ECDH for X25519, which does nothing else. Raises KeyMaterialError for any other kind."""
    for kind, algorithm in _ALGORITHM_OF.items():
        if isinstance(key, kind):
            return algorithm
    raise KeyMaterialError("keys of this kind are not supported")


def size_of(key: PrivateKey | PublicKey) -> int:
    """Cryptographic Length in bits."""
    if isinstance(key, ClassicPrivateKey | ClassicPublicKey):
        return key.key_size
    return FIXED_LENGTHS.get(algorithm_of(key), X25519_BITS)


X25519_BITS = 256

CURVES: dict[RecommendedCurve, ec.EllipticCurve] = {
    RecommendedCurve.P_256: ec.SECP256R1(),
    RecommendedCurve.P_384: ec.SECP384R1(),
    RecommendedCurve.P_521: ec.SECP521R1(),
    RecommendedCurve.SECP256K1: ec.SECP256K1(),
    RecommendedCurve.P_192: ec.SECP192R1(),
    RecommendedCurve.P_224: ec.SECP224R1(),
    RecommendedCurve.BRAINPOOLP256R1: ec.BrainpoolP256R1(),
    RecommendedCurve.BRAINPOOLP384R1: ec.BrainpoolP384R1(),
    RecommendedCurve.BRAINPOOLP512R1: ec.BrainpoolP512R1(),
}
"""What keys may be brought on."""
_CURVE_NAMES = {curve.name: name for name, curve in CURVES.items()}

GENERATED_CURVES = frozenset(
    {RecommendedCurve.P_256, RecommendedCurve.P_384, RecommendedCurve.P_521, RecommendedCurve.SECP256K1}
)
"""Of ECDSA and ECDH."""


def curve_of(key: PrivateKey | PublicKey) -> RecommendedCurve | None:
    """None for a key without one. Raises KeyMaterialError for a curve that is not offered."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return curve_name(key)
    return _OWN_CURVES.get(algorithm_of(key))


_OWN_CURVES: dict[CryptographicAlgorithm, RecommendedCurve] = {
    **IMPLIED_CURVES,
    CryptographicAlgorithm.ECDH: RecommendedCurve.CURVE25519,
}


def curve_name(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> RecommendedCurve:
    """Raises KeyMaterialError for a curve that is not offered."""
    name = _CURVE_NAMES.get(key.curve.name)
    if name is None:
        raise KeyMaterialError("the curve is not supported")
    return name


def generate_rsa(length: int) -> rsa.RSAPrivateKey:
    """A new key of `length` bits, one of RSA_LENGTHS, with the public exponent 65537."""
    if length not in RSA_LENGTHS:
        raise UnsupportedError(f"RSA keys of {length} bits are not supported")
    return rsa.generate_private_key(PUBLIC_EXPONENT, length)


def generate(algorithm: CryptographicAlgorithm) -> RawPrivateKey | sm2.Sm2PrivateKey:
    """A new key of an algorithm that has one kind of keys only. Raises UnsupportedError."""
    made = _GENERATORS.get(algorithm)
    if made is None:
        raise UnsupportedError("key pairs of this algorithm are not supported")
    return made()


def generate_ec(length: int, curve: RecommendedCurve | None) -> ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey:
    """A new key on the curve, or on the NIST curve of `length` bits.

    Raises InvalidParametersError where the two do not agree (a length of 0 is none), UnsupportedError.
    """
    if curve is None:
        curve = CURVE_BY_LENGTH.get(length)
        if curve is None:
            raise UnsupportedError(f"elliptic curve keys of {length} bits are not supported")
    if curve == RecommendedCurve.CURVE25519:
        if length not in (0, X25519_BITS):
            raise InvalidParametersError("the Cryptographic Length is not the Recommended Curve's")
        return x25519.X25519PrivateKey.generate()
    if curve not in GENERATED_CURVES:
        raise UnsupportedError(f"key pairs on the curve {curve.name} are not supported")
    parameters = CURVES[curve]
    if length not in (0, parameters.key_size):
        raise InvalidParametersError("the Cryptographic Length is not the Recommended Curve's")
    return ec.generate_private_key(parameters)


def pkcs8(key: PrivateKey) -> bytes:
    if isinstance(key, sm2.Sm2PrivateKey):
        return key.pkcs8
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, what KMIP calls the X.509 format of a public key."""
    if isinstance(key, sm2.Sm2PublicKey):
        return key.spki
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_of(key: PrivateKey) -> PublicKey:
    return key.public_key if isinstance(key, sm2.Sm2PrivateKey) else key.public_key()


def load_private(der: bytes, *, trusted: bool = False) -> PrivateKey:
    """A private key from PKCS#8, PKCS#1 or SEC 1 DER.

    `trusted` skips the costly check of an RSA key's numbers: for material that was checked before it was
    sealed. Raises KeyMaterialError.
    """
    try:
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=trusted)
    except UnsupportedAlgorithm:
        if sm2.is_sm2(der):
            return sm2.load_private(der, trusted=trusted)
        raise KeyMaterialError("this is not a private key") from None
    except (ValueError, TypeError):
        raise KeyMaterialError("this is not a private key") from None
    if isinstance(key, PrivateKey):
        curve_of(key)
        return key
    raise KeyMaterialError("private keys of this kind are not supported")


def is_encrypted(der: bytes) -> bool:
    """Whether this is an EncryptedPrivateKeyInfo (RFC 5958 §3), which opens with a password only."""
    try:
        load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        return True  # "Password was not given but private key is encrypted"
    except (ValueError, UnsupportedAlgorithm):
        return False
    return False


def load_public(der: bytes) -> PublicKey:
    """A public key from SubjectPublicKeyInfo or PKCS#1 DER. Raises KeyMaterialError."""
    try:
        key = load_der_public_key(der)
    except UnsupportedAlgorithm:
        if sm2.is_sm2(der):
            return sm2.load_public(der)
        raise KeyMaterialError("this is not a public key") from None
    except (ValueError, TypeError):
        raise KeyMaterialError("this is not a public key") from None
    if isinstance(key, PublicKey):
        curve_of(key)
        return key
    raise KeyMaterialError("public keys of this kind are not supported")


def load_certificate(der: bytes) -> ClassicPublicKey:
    """The public key of an X.509 certificate. Raises KeyMaterialError."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyMaterialError("this is not a certificate") from None
    return known_public(key)


def known_public(key: object) -> ClassicPublicKey:
    """The key if it is RSA or on a curve that is offered: what certificates may hold. Raises KeyMaterialError."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve_name(key)
        return key
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyMaterialError("public keys of this kind are not supported")
    return key


def _padding(scheme: RsaScheme) -> paddings.AsymmetricPadding:
    if scheme.padding == PaddingMethod.PKCS1_V1_5:
        return paddings.PKCS1v15()
    mask = paddings.MGF1(HASHES[scheme.mask_hashing])
    return paddings.OAEP(mask, HASHES[scheme.hashing], scheme.label or None)


def max_plaintext(size: int, scheme: RsaScheme) -> int:
    """Bytes that a modulus of `size` bytes encrypts at most (RFC 8017 §7.1.1, §7.2.1); may be negative."""
    if scheme.padding == PaddingMethod.PKCS1_V1_5:
        return size - 11
    return size - 2 * HASHES[scheme.hashing].digest_size - 2


def rsa_encrypt(key: rsa.RSAPublicKey, scheme: RsaScheme, data: bytes) -> bytes:
    if len(data) > max_plaintext((key.key_size + 7) // 8, scheme):
        raise InvalidParametersError("the Data is too long for the key and padding")
    return key.encrypt(data, _padding(scheme))


def rsa_decrypt(key: rsa.RSAPrivateKey, scheme: RsaScheme, data: bytes) -> bytes:
    """Raises CryptographicFailureError, whatever is wrong.

    PKCS#1 v1.5: OpenSSL rejects implicitly, a bad padding gives random bytes instead of an error, so that the
    answer is no oracle (Bleichenbacher).
    """
    try:
        return key.decrypt(data, _padding(scheme))
    except ValueError:
        raise CryptographicFailureError() from None
