"""RSA and elliptic curve keys: generation, loading, RSA encryption. Signatures are in
kmsd.crypto.signatures."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as paddings
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.hashes import HASHES
from kmsd.crypto.parameters import RsaScheme
from protocol.enums import PaddingMethod, RecommendedCurve

RSA_LENGTHS = (2048, 3072, 4096)
"""Bits of the RSA keys that are generated."""

PUBLIC_EXPONENT = 65537

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

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

CURVE_BY_LENGTH: dict[int, RecommendedCurve] = {
    256: RecommendedCurve.P_256,
    384: RecommendedCurve.P_384,
    521: RecommendedCurve.P_521,
}
"""The NIST curve that a Cryptographic Length in bits means where no Recommended Curve is given."""


def curve_of(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> RecommendedCurve:
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


def generate_ec(length: int, curve: RecommendedCurve | None) -> ec.EllipticCurvePrivateKey:
    """A new key on the curve, or on the NIST curve of `length` bits.

    Raises InvalidParametersError where the two do not agree (a length of 0 is none), UnsupportedError.
    """
    if curve is None:
        curve = CURVE_BY_LENGTH.get(length)
        if curve is None:
            raise UnsupportedError(f"elliptic curve keys of {length} bits are not supported")
    if curve not in GENERATED_CURVES:
        raise UnsupportedError(f"key pairs on the curve {curve.name} are not supported")
    parameters = CURVES[curve]
    if length not in (0, parameters.key_size):
        raise InvalidParametersError("the Cryptographic Length is not the Recommended Curve's")
    return ec.generate_private_key(parameters)


def pkcs8(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, what KMIP calls the X.509 format of a public key."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_private(der: bytes, *, trusted: bool = False) -> PrivateKey:
    """A private key from PKCS#8, PKCS#1 or SEC 1 DER.

    `trusted` skips the costly check of an RSA key's numbers: for material that was checked before it was
    sealed. Raises KeyMaterialError.
    """
    try:
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=trusted)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyMaterialError("this is not a private key") from None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curve_of(key)
    elif not isinstance(key, rsa.RSAPrivateKey):
        raise KeyMaterialError("private keys of this kind are not supported")
    return key


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
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyMaterialError("this is not a public key") from None
    return known_public(key)


def load_certificate(der: bytes) -> PublicKey:
    """The public key of an X.509 certificate. Raises KeyMaterialError."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyMaterialError("this is not a certificate") from None
    return known_public(key)


def known_public(key: object) -> PublicKey:
    """The key if it is of a kind and on a curve that is offered. Raises KeyMaterialError."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve_of(key)
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
