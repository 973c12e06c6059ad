"""Key Format Types: what clients register, what the store keeps, what Get gives (KMIP 1.4 §2.1.3, §2.1.7).

Kept: byte formats as they came, after a strict parse, so that "the server SHALL be able to return the key
[...] in the same format that was used when the key was registered" (1.4 §4.11) is true to the byte;
transparent structures as Raw, PKCS#8 or SubjectPublicKeyInfo, which KMIP calls the X.509 format of a public
key. Material of a kind that kmsd has no use for (DSA and DH structures, Opaque keys, PKCS#8 under a password)
is kept and given back, and converts to nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kmsd.crypto import asymmetric, transparent
from kmsd.crypto.ciphers import CIPHERS, DES3_SIZES
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError
from kmsd.crypto.parameters import EC
from protocol.compiler import decode, encode
from protocol.enums import (
    CertificateType,
    CryptographicAlgorithm,
    KeyCompressionType,
    KeyFormatType,
    ObjectType,
    RecommendedCurve,
)
from protocol.errors import ProtocolError
from protocol.objects import (
    KEY_MATERIALS,
    Certificate,
    TransparentDHPrivateKey,
    TransparentDHPublicKey,
    TransparentDSAPrivateKey,
    TransparentDSAPublicKey,
    TransparentSymmetricKey,
)
from protocol.versions import V2_1

Algorithm = CryptographicAlgorithm
Format = KeyFormatType


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """Material that was found good: how it is kept and what it says of itself."""

    material: bytes
    format: KeyFormatType
    """Of `material`: what Provider.store takes."""
    registered: KeyFormatType
    """What the client sent: the Key Format Type attribute, and what Get gives unless asked otherwise."""
    algorithm: CryptographicAlgorithm | None
    length: int
    """Cryptographic Length in bits, 0 where there is none."""
    curve: RecommendedCurve | None = None

    def __repr__(self) -> str:
        return f"ParsedKey({self.format.name}, {len(self.material)} bytes)"


_BYTE_TYPES = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA, ObjectType.SPLIT_KEY, ObjectType.PGP_KEY})
_BYTE_FORMATS = frozenset({Format.RAW, Format.OPAQUE})
_KEPT_AS_TTLV = (
    TransparentDSAPrivateKey,
    TransparentDSAPublicKey,
    TransparentDHPrivateKey,
    TransparentDHPublicKey,
)

# 2.1 §4.26, Table 81. 1.x has no such table and Get gives the registered format there; the same rows then
# serve keys that the server made.
_DEFAULTS: dict[ObjectType, KeyFormatType] = {
    ObjectType.CERTIFICATE: Format.X_509,
    ObjectType.CERTIFICATE_REQUEST: Format.PKCS_10,
    ObjectType.OPAQUE_OBJECT: Format.OPAQUE,
    ObjectType.PGP_KEY: Format.RAW,
    ObjectType.SECRET_DATA: Format.RAW,
    ObjectType.SYMMETRIC_KEY: Format.RAW,
    ObjectType.SPLIT_KEY: Format.RAW,
}
_KEY_DEFAULTS: dict[tuple[ObjectType, CryptographicAlgorithm], KeyFormatType] = {
    (ObjectType.PRIVATE_KEY, Algorithm.RSA): Format.PKCS_1,
    (ObjectType.PUBLIC_KEY, Algorithm.RSA): Format.PKCS_1,
    (ObjectType.PRIVATE_KEY, Algorithm.EC): Format.TRANSPARENT_EC_PRIVATE_KEY,
    (ObjectType.PUBLIC_KEY, Algorithm.EC): Format.TRANSPARENT_EC_PUBLIC_KEY,
    (ObjectType.PRIVATE_KEY, Algorithm.ECDSA): Format.TRANSPARENT_EC_PRIVATE_KEY,
    (ObjectType.PUBLIC_KEY, Algorithm.ECDSA): Format.TRANSPARENT_EC_PUBLIC_KEY,
    (ObjectType.PRIVATE_KEY, Algorithm.ECDH): Format.TRANSPARENT_EC_PRIVATE_KEY,
    (ObjectType.PUBLIC_KEY, Algorithm.ECDH): Format.TRANSPARENT_EC_PUBLIC_KEY,
    (ObjectType.PRIVATE_KEY, Algorithm.DSA): Format.TRANSPARENT_DSA_PRIVATE_KEY,
    (ObjectType.PUBLIC_KEY, Algorithm.DSA): Format.TRANSPARENT_DSA_PUBLIC_KEY,
}


def default_format(object_type: ObjectType, algorithm: CryptographicAlgorithm | None) -> KeyFormatType:
    """The default Key Format Type (2.1 §4.26, Table 81); PKCS#8 and X.509 for keys that the table leaves
    out."""
    found = _DEFAULTS.get(object_type)
    if found is None and algorithm is not None:
        found = _KEY_DEFAULTS.get((object_type, algorithm))
    if found is None:
        found = Format.PKCS_8 if object_type == ObjectType.PRIVATE_KEY else Format.X_509
    return found


# --- in


def parse(
    object_type: ObjectType,
    format_: KeyFormatType,
    material: object,
    algorithm: CryptographicAlgorithm | None = None,
    length: int | None = None,
) -> ParsedKey:
    """Check the Key Material of a Key Block against its Cryptographic Algorithm and Length, where they are
    given.

    `material` is bytes or a transparent structure of protocol.objects. Raises KeyMaterialError.
    """
    if object_type in _BYTE_TYPES:
        return _parse_bytes(object_type, format_, material, algorithm, length)
    if object_type not in (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY):
        raise KeyMaterialError("an object of this type has no key material")
    if isinstance(material, _KEPT_AS_TTLV):
        return _parse_kept(object_type, format_, material, algorithm, length)
    if format_ == Format.OPAQUE and isinstance(material, bytes) and material:
        return ParsedKey(material, format_, format_, algorithm, length or 0)
    private = object_type == ObjectType.PRIVATE_KEY
    if private and isinstance(material, bytes) and transparent.is_locked(format_, material):
        return ParsedKey(material, format_, format_, algorithm, length or 0)
    key = transparent.read(object_type, format_, material, algorithm)
    if isinstance(material, bytes) and format_ != Format.RAW:
        kept, kept_format = material, format_
    elif isinstance(key, asymmetric.PrivateKey):
        kept, kept_format = asymmetric.pkcs8(key), Format.PKCS_8
    else:
        kept, kept_format = asymmetric.spki(key), Format.X_509
    return _checked(kept, kept_format, format_, key, algorithm, length)


def _checked(
    kept: bytes,
    kept_format: KeyFormatType,
    registered: KeyFormatType,
    key: asymmetric.PrivateKey | asymmetric.PublicKey,
    algorithm: CryptographicAlgorithm | None,
    length: int | None,
) -> ParsedKey:
    own = asymmetric.algorithm_of(key)
    if algorithm is not None and algorithm not in (EC if own in EC else (own,)):
        raise KeyMaterialError("the key is not of the stated Cryptographic Algorithm")
    bits = asymmetric.size_of(key)
    if length is not None and length != bits:
        raise KeyMaterialError("the key does not have the stated Cryptographic Length")
    return ParsedKey(kept, kept_format, registered, algorithm or own, bits, asymmetric.curve_of(key))


def _parse_bytes(
    object_type: ObjectType,
    format_: KeyFormatType,
    material: object,
    algorithm: CryptographicAlgorithm | None,
    length: int | None,
) -> ParsedKey:
    if isinstance(material, TransparentSymmetricKey) and format_ == Format.TRANSPARENT_SYMMETRIC_KEY:
        value, kept = material.key, Format.RAW
    elif isinstance(material, bytes) and format_ in _BYTE_FORMATS:
        value, kept = material, format_
    else:
        raise KeyMaterialError("the Key Format Type does not fit the object")
    if not value:
        raise KeyMaterialError("the Key Material is empty")
    if object_type == ObjectType.SYMMETRIC_KEY:
        length = _symmetric_length(value, algorithm, length)
    return ParsedKey(value, kept, format_, algorithm, length or 0)


def _symmetric_length(value: bytes, algorithm: CryptographicAlgorithm | None, length: int | None) -> int:
    bits = len(value) * 8
    cipher = CIPHERS.get(algorithm) if algorithm is not None else None
    if algorithm is not None and cipher is not None and bits not in cipher.sizes:
        sizes = " or ".join(map(str, sorted(cipher.sizes)))
        raise KeyMaterialError(f"the material of a {algorithm.name} key has {sizes} bits")
    # 3DES lengths may leave out the parity bits: "typically from 112 to 192 bits" (KMIP 1.4 §2.1.3).
    if algorithm == Algorithm.DES3:
        fits = length is None or DES3_SIZES.get(length) == bits
    else:
        fits = length in (None, bits) or (algorithm == Algorithm.DES and length == bits * 7 // 8)
    if not fits:
        raise KeyMaterialError("the key does not have the stated Cryptographic Length")
    return length or bits


def _parse_kept(
    object_type: ObjectType,
    format_: KeyFormatType,
    material: object,
    algorithm: CryptographicAlgorithm | None,
    length: int | None,
) -> ParsedKey:
    private = isinstance(material, TransparentDSAPrivateKey | TransparentDHPrivateKey)
    if KEY_MATERIALS.get(format_) is not type(material) or private != (object_type == ObjectType.PRIVATE_KEY):
        raise KeyMaterialError("the Key Format Type does not fit the object")
    dsa = isinstance(material, TransparentDSAPrivateKey | TransparentDSAPublicKey)
    own = Algorithm.DSA if dsa else Algorithm.DH
    if algorithm not in (None, own):
        raise KeyMaterialError("the key is not of the stated Cryptographic Algorithm")
    bits: int = material.p.bit_length()  # type: ignore[attr-defined]
    return ParsedKey(encode(material, V2_1), format_, format_, algorithm or own, length or bits)


def parse_certificate(certificate: Certificate) -> ParsedKey:
    """A certificate; algorithm and length are its public key's where that is a kind that kmsd uses.

    Raises KeyMaterialError for an X.509 certificate that does not parse.
    """
    value = certificate.certificate_value
    if certificate.certificate_type != CertificateType.X_509:
        return ParsedKey(value, Format.RAW, Format.RAW, None, 0)
    key = transparent.certificate_key(value)
    if key is None:
        return ParsedKey(value, Format.X_509, Format.X_509, None, 0)
    return _checked(value, Format.X_509, Format.X_509, key, None, None)


# --- out


def convert(
    object_type: ObjectType,
    material: bytes,
    kept: KeyFormatType,
    wanted: KeyFormatType,
    compression: KeyCompressionType | None = None,
) -> object:
    """The Key Material in the format that a client asks for: bytes, or a structure of protocol.objects.

    Raises UnsupportedError where the key has no such format, KeyMaterialError where the material is broken.
    """
    if wanted == kept and compression is None:
        if kept in _TTLV_FORMATS:
            return _restored(material, kept)
        return material
    if object_type in _BYTE_TYPES:
        if wanted == Format.TRANSPARENT_SYMMETRIC_KEY and object_type == ObjectType.SYMMETRIC_KEY:
            return TransparentSymmetricKey(key=material)
        if wanted in _BYTE_FORMATS:
            return material
    elif object_type in (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY) and kept in transparent.DER_FORMATS:
        if object_type == ObjectType.PRIVATE_KEY:
            if transparent.is_locked(kept, material):
                raise UnsupportedError("the key is under a password that the server does not know")
            return transparent.write(asymmetric.load_private(material, trusted=True), wanted, compression)
        return transparent.write(asymmetric.load_public(material), wanted, compression)
    raise UnsupportedError("the object is not available in this Key Format Type")


_TTLV_FORMATS = frozenset(format_ for format_, cls in KEY_MATERIALS.items() if cls in _KEPT_AS_TTLV)


def _restored(material: bytes, kept: KeyFormatType) -> object:
    try:
        return decode(KEY_MATERIALS[kept], material, V2_1)
    except ProtocolError:
        raise KeyMaterialError("the kept material is broken") from None


def digest(
    object_type: ObjectType,
    material: bytes,
    kept: KeyFormatType | None,
    algorithm: CryptographicAlgorithm | None,
) -> bytes:
    """SHA-256 of the key in its default Key Format Type (KMIP 1.4 §3.17, 2.1 §4.21).

    A structure is digested as the "TTLV-encoded Key Material structure". Material that cannot be had in the
    default format (an Opaque private key, or one under a password) is digested as it is.
    """
    value: object = material
    wanted = default_format(object_type, algorithm)
    if object_type in (ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY) and kept in transparent.DER_FORMATS:
        try:
            value = convert(object_type, material, kept, wanted)
        except UnsupportedError:
            value = material
    return hashlib.sha256(value if isinstance(value, bytes) else encode(value, V2_1)).digest()
