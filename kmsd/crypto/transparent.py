"""Keys of pairs in every Key Format Type, as structures and as DER (KMIP 1.4 §2.1.7, §9.1.3.2.3).

KMIP names Curve25519 among the curves of the transparent structures and does not say how. Here the Q String is the
32 bytes of RFC 7748, and D the private key's 32 bytes as a number, the first byte the least significant,
which is how RFC 7748 §5 reads them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kmsd.crypto import rawkeys, sm2
from kmsd.crypto.asymmetric import (
    CURVES,
    PUBLIC_EXPONENT,
    ClassicPrivateKey,
    ClassicPublicKey,
    PrivateKey,
    PublicKey,
    RawPrivateKey,
    RawPublicKey,
    curve_name,
    is_encrypted,
    load_private,
    load_public,
    pkcs8,
    spki,
)
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError
from protocol import vendor
from protocol.enums import (
    CryptographicAlgorithm,
    KeyCompressionType,
    KeyFormatType,
    ObjectType,
    RecommendedCurve,
)
from protocol.objects import (
    TransparentECPrivateKey,
    TransparentECPublicKey,
    TransparentRSAPrivateKey,
    TransparentRSAPublicKey,
)

Format = KeyFormatType

MAX_RSA_LENGTH = 8192
"""Bits of the RSA keys that are taken in."""
_MAX_SEARCH = 4096
"""Bits of a modulus that is taken in without its factors."""
_MAX_DER = 8192
"""Bytes: more than any key within the limits has."""

DER_FORMATS = frozenset({Format.PKCS_1, Format.PKCS_8, Format.X_509, Format.EC_PRIVATE_KEY})

_EC_PRIVATE_FORMATS = (
    Format.TRANSPARENT_EC_PRIVATE_KEY,
    Format.TRANSPARENT_ECDSA_PRIVATE_KEY,
    Format.TRANSPARENT_ECDH_PRIVATE_KEY,
)
_EC_PUBLIC_FORMATS = (
    Format.TRANSPARENT_EC_PUBLIC_KEY,
    Format.TRANSPARENT_ECDSA_PUBLIC_KEY,
    Format.TRANSPARENT_ECDH_PUBLIC_KEY,
)


# --- read


def read(
    object_type: ObjectType,
    format_: KeyFormatType,
    material: object,
    algorithm: CryptographicAlgorithm | None = None,
) -> PrivateKey | PublicKey:
    """A key from its Key Material; bytes in the format Raw need the algorithm to be known.

    Raises KeyMaterialError for whatever is no such key.
    """
    private = object_type == ObjectType.PRIVATE_KEY
    if isinstance(material, bytes):
        if format_ == Format.RAW:
            return rawkeys.read(private, algorithm, material)
        return _read_der(private, format_, material)
    reader = (_PRIVATE_READERS if private else _PUBLIC_READERS).get(format_)
    if reader is None or not isinstance(material, reader[0]):
        raise KeyMaterialError("the Key Format Type does not fit the object")
    try:
        return reader[1](material)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise KeyMaterialError("the numbers are no key") from None


# The byte after the version tells the three forms of a private key apart (RFC 8017 §A.1.2, RFC 5958 §2,
# RFC 5915 §3), the first byte inside the two of a public key.
_PRIVATE_DER = {0x02: Format.PKCS_1, 0x30: Format.PKCS_8, 0x04: Format.EC_PRIVATE_KEY}
_PUBLIC_DER = {0x02: Format.PKCS_1, 0x30: Format.X_509}


def _der_format(private: bool, der: bytes) -> KeyFormatType | None:
    """Which of the formats the outermost elements look like; the real parser decides afterwards."""
    if len(der) < 8 or der[0] != 0x30:
        return None
    start = 2 if der[1] < 0x80 else 2 + (der[1] & 0x7F)
    if private:
        start += 3  # INTEGER of one byte
    return (_PRIVATE_DER if private else _PUBLIC_DER).get(der[start]) if start < len(der) else None


def _read_der(private: bool, format_: KeyFormatType, der: bytes) -> PrivateKey | PublicKey:
    if len(der) > _MAX_DER or format_ not in DER_FORMATS or _der_format(private, der) != format_:
        raise KeyMaterialError("the Key Material is not in the stated Key Format Type")
    if not private:
        public = load_public(der)
        if isinstance(public, rsa.RSAPublicKey):
            _bounded(public.key_size)
        return public
    key = load_private(der, trusted=True)
    if isinstance(key, rsa.RSAPrivateKey):
        _bounded(key.key_size)
        _check_rsa(key.private_numbers())
    return key


def _check_rsa(numbers: rsa.RSAPrivateNumbers) -> None:
    """Whether the numbers are an RSA key (RFC 8017 §3.2), in milliseconds.

    OpenSSL's own check proves the primes in 80 ms for 2048 bits and in seconds for sizes that a hostile
    client may choose. One Fermat test for each factor tells a broken key as well; a client that takes the
    trouble to make a pseudoprime has weakened its own key only.
    """
    n, e, p, q = numbers.public_numbers.n, numbers.public_numbers.e, numbers.p, numbers.q
    sound = (
        p * q == n
        and e % 2 == 1
        and 3 <= e < n
        and all(number % 2 == 1 and number > 2 for number in (p, q))
        and numbers.d * e % math.lcm(p - 1, q - 1) == 1
        and numbers.dmp1 == numbers.d % (p - 1)
        and numbers.dmq1 == numbers.d % (q - 1)
        and 0 < numbers.iqmp < p
        and numbers.iqmp * q % p == 1
        and all(pow(2, number - 1, number) == 1 for number in (p, q))
    )
    if not sound:
        raise KeyMaterialError("the numbers are no key")


def is_locked(format_: KeyFormatType, material: bytes) -> bool:
    """Whether this is a private key under a password, which the PKCS#8 format may be (1.4 §2.1.3)."""
    return format_ == Format.PKCS_8 and len(material) <= _MAX_DER and is_encrypted(material)


def _bounded(bits: int) -> None:
    if bits > MAX_RSA_LENGTH:
        raise KeyMaterialError(f"RSA keys of more than {MAX_RSA_LENGTH} bits are not supported")


def _rsa_private(material: TransparentRSAPrivateKey) -> rsa.RSAPrivateKey:
    """1.4 §2.1.7.4: Private Exponent, or P and Q, or the prime exponents. An omitted Public Exponent is
    65537.

    The prime exponents alone do not give the key without a search, and are refused.
    """
    n, e = material.modulus, PUBLIC_EXPONENT if material.public_exponent is None else material.public_exponent
    d, p, q = material.private_exponent, material.p, material.q
    _bounded(n.bit_length())
    for number in (n, e, d, p, q):
        if number is not None and not 0 < number <= n:
            raise ValueError("out of range")
    if p is None or q is None:
        if d is None:
            raise ValueError("neither Private Exponent nor P and Q")
        # The search ends at once for a key, and only after hundreds of powers for anything else.
        if n.bit_length() > _MAX_SEARCH or pow(2, d * e, n) != 2:
            raise ValueError("too long to search, or not the exponents of the modulus")
        p, q = rsa.rsa_recover_prime_factors(n, e, d)
    if p * q != n or p == 1 or q == 1:
        raise ValueError("not the factors")
    if d is None:
        d = pow(e, -1, math.lcm(p - 1, q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, n))
    _check_rsa(numbers)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _rsa_public(material: TransparentRSAPublicKey) -> rsa.RSAPublicKey:
    _bounded(material.modulus.bit_length())
    _bounded(material.public_exponent.bit_length())
    return rsa.RSAPublicNumbers(material.public_exponent, material.modulus).public_key()


def _curve(name: RecommendedCurve) -> ec.EllipticCurve:
    curve = CURVES.get(name)
    if curve is None:
        raise KeyMaterialError("the curve is not supported")
    return curve


def _ec_private(material: TransparentECPrivateKey) -> PrivateKey:
    if material.recommended_curve == vendor.SM2P256V1:
        return sm2.private_from_value(material.d)
    if material.recommended_curve == RecommendedCurve.CURVE25519:
        return x25519.X25519PrivateKey.from_private_bytes(material.d.to_bytes(32, "little"))
    curve = _curve(material.recommended_curve)
    if not 0 < material.d < 1 << curve.key_size:
        raise ValueError("out of range")
    return ec.derive_private_key(material.d, curve)


def _ec_public(material: TransparentECPublicKey) -> PublicKey:
    if material.recommended_curve == vendor.SM2P256V1:
        return sm2.public_from_point(material.q_string)
    if material.recommended_curve == RecommendedCurve.CURVE25519:
        return x25519.X25519PublicKey.from_public_bytes(material.q_string)
    return ec.EllipticCurvePublicKey.from_encoded_point(_curve(material.recommended_curve), material.q_string)


_PRIVATE_READERS: dict[KeyFormatType, tuple[type, Callable[[Any], PrivateKey]]] = {
    Format.TRANSPARENT_RSA_PRIVATE_KEY: (TransparentRSAPrivateKey, _rsa_private),
    **dict.fromkeys(_EC_PRIVATE_FORMATS, (TransparentECPrivateKey, _ec_private)),
}
_PUBLIC_READERS: dict[KeyFormatType, tuple[type, Callable[[Any], PublicKey]]] = {
    Format.TRANSPARENT_RSA_PUBLIC_KEY: (TransparentRSAPublicKey, _rsa_public),
    **dict.fromkeys(_EC_PUBLIC_FORMATS, (TransparentECPublicKey, _ec_public)),
}


def certificate_key(der: bytes) -> ClassicPublicKey | None:
    """The public key of an X.509 certificate, None for a kind that kmsd does not use. Raises
    KeyMaterialError."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError):
        raise KeyMaterialError("this is not a certificate") from None
    except UnsupportedAlgorithm:
        return None
    if isinstance(key, rsa.RSAPublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _KNOWN_CURVES:
        return key
    return None


_KNOWN_CURVES = frozenset(curve.name for curve in CURVES.values())


# --- write


def write(key: PrivateKey | PublicKey, wanted: KeyFormatType, compression: KeyCompressionType | None = None) -> object:
    """The Key Material of the key in this format. Raises UnsupportedError where it has no such form.

    Compression is of the Q String of elliptic curve keys only (1.4 §2.1.3: "By default [...] uncompressed").
    """
    if isinstance(key, ec.EllipticCurvePublicKey | sm2.Sm2PublicKey):
        return _write_ec_public(key, wanted, compression)
    if compression is not None:
        raise UnsupportedError("the Key Compression Type is for elliptic curve public keys")
    if wanted == Format.RAW and isinstance(key, RawPrivateKey | RawPublicKey):
        return rawkeys.write(key)
    for kind, writers in _WRITERS.items():
        if isinstance(key, kind) and wanted in writers:
            return writers[wanted](key)
    raise UnsupportedError("the key is not available in this Key Format Type")


_POINTS: dict[KeyCompressionType | None, PublicFormat] = {
    None: PublicFormat.UncompressedPoint,
    KeyCompressionType.EC_PUBLIC_KEY_TYPE_UNCOMPRESSED: PublicFormat.UncompressedPoint,
    KeyCompressionType.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_PRIME: PublicFormat.CompressedPoint,
}


def _write_ec_public(
    key: ec.EllipticCurvePublicKey | sm2.Sm2PublicKey, wanted: KeyFormatType, compression: KeyCompressionType | None
) -> object:
    form = _POINTS.get(compression)
    if form is None:
        raise UnsupportedError("the Key Compression Type is not supported")
    if wanted in _EC_PUBLIC_FORMATS:
        if isinstance(key, sm2.Sm2PublicKey):
            point = key.point if form is PublicFormat.UncompressedPoint else key.compressed
            return TransparentECPublicKey(recommended_curve=vendor.SM2P256V1, q_string=point)
        point = key.public_bytes(Encoding.X962, form)
        return TransparentECPublicKey(recommended_curve=curve_name(key), q_string=point)
    if wanted == Format.X_509 and form is PublicFormat.UncompressedPoint:
        return spki(key)
    raise UnsupportedError("the key is not available in this Key Format Type")


def _traditional(key: ClassicPrivateKey) -> bytes:
    """PKCS#1 for RSA, SEC 1 (RFC 5915) for elliptic curves."""
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _pkcs1_public(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)


def _transparent_rsa(key: rsa.RSAPrivateKey) -> TransparentRSAPrivateKey:
    numbers = key.private_numbers()
    return TransparentRSAPrivateKey(
        modulus=numbers.public_numbers.n,
        private_exponent=numbers.d,
        public_exponent=numbers.public_numbers.e,
        p=numbers.p,
        q=numbers.q,
        prime_exponent_p=numbers.dmp1,
        prime_exponent_q=numbers.dmq1,
        crt_coefficient=numbers.iqmp,
    )


def _transparent_rsa_public(key: rsa.RSAPublicKey) -> TransparentRSAPublicKey:
    numbers = key.public_numbers()
    return TransparentRSAPublicKey(modulus=numbers.n, public_exponent=numbers.e)


def _transparent_ec(key: ec.EllipticCurvePrivateKey) -> TransparentECPrivateKey:
    return TransparentECPrivateKey(recommended_curve=curve_name(key), d=key.private_numbers().private_value)


def _transparent_sm2(key: sm2.Sm2PrivateKey) -> TransparentECPrivateKey:
    return TransparentECPrivateKey(recommended_curve=vendor.SM2P256V1, d=key.value)


def _transparent_x25519(key: x25519.X25519PrivateKey) -> TransparentECPrivateKey:
    value = int.from_bytes(key.private_bytes_raw(), "little")
    return TransparentECPrivateKey(recommended_curve=RecommendedCurve.CURVE25519, d=value)


def _transparent_x25519_public(key: x25519.X25519PublicKey) -> TransparentECPublicKey:
    return TransparentECPublicKey(recommended_curve=RecommendedCurve.CURVE25519, q_string=key.public_bytes_raw())


_WRITERS: dict[type, dict[KeyFormatType, Callable[[Any], object]]] = {
    rsa.RSAPrivateKey: {
        Format.PKCS_1: _traditional,
        Format.PKCS_8: pkcs8,
        Format.TRANSPARENT_RSA_PRIVATE_KEY: _transparent_rsa,
    },
    rsa.RSAPublicKey: {
        Format.PKCS_1: _pkcs1_public,
        Format.X_509: spki,
        Format.TRANSPARENT_RSA_PUBLIC_KEY: _transparent_rsa_public,
    },
    ec.EllipticCurvePrivateKey: {
        Format.EC_PRIVATE_KEY: _traditional,
        Format.PKCS_8: pkcs8,
        **dict.fromkeys(_EC_PRIVATE_FORMATS, _transparent_ec),
    },
    sm2.Sm2PrivateKey: {
        Format.EC_PRIVATE_KEY: lambda key: key.sec1,
        Format.PKCS_8: pkcs8,
        **dict.fromkeys(_EC_PRIVATE_FORMATS, _transparent_sm2),
    },
    x25519.X25519PrivateKey: {
        Format.PKCS_8: pkcs8,
        **dict.fromkeys(_EC_PRIVATE_FORMATS, _transparent_x25519),
    },
    x25519.X25519PublicKey: {
        Format.X_509: spki,
        **dict.fromkeys(_EC_PUBLIC_FORMATS, _transparent_x25519_public),
    },
    **{kind: {Format.PKCS_8: pkcs8} for kind in rawkeys.PRIVATE_KINDS},
    **{kind: {Format.X_509: spki} for kind in rawkeys.PUBLIC_KINDS},
}
