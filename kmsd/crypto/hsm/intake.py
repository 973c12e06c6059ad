"""Keys that clients bring: checked, and put into the form in which a token takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import KeyType, ObjectClass

from kmsd.crypto import asymmetric, keyformats
from kmsd.crypto.errors import KeyMaterialError, UnsupportedError
from kmsd.crypto.hsm import mechanisms as table
from kmsd.crypto.hsm import sm2
from kmsd.crypto.hsm.abilities import Abilities
from kmsd.crypto.hsm.objects import Shape, private_template, secret_template
from kmsd.crypto.parameters import HMACS
from kmsd.crypto.provider import KeyReference
from kmsd.crypto.sm2 import BITS, Sm2PrivateKey
from kmsd.crypto.transparent import DER_FORMATS
from protocol.enums import CryptographicAlgorithm, KeyFormatType, ObjectType


class Taken(NamedTuple):
    """A key on its way into the token. Its repr shows no value."""

    reference: KeyReference
    """With the length that was found."""
    template: dict[Any, Any]
    shape: Shape
    format: KeyFormatType
    point: bytes = b""
    """The public key's, of an SM2 key."""

    def __repr__(self) -> str:
        return f"Taken({self.shape.key_type.name}, {self.reference.length} bits)"


def read(reference: KeyReference, plaintext: bytes, format_: KeyFormatType | None, abilities: Abilities) -> Taken:
    """Raises KeyMaterialError, and UnsupportedError for what a token has no use for."""
    if not plaintext:
        raise KeyMaterialError("the Key Material is empty")
    if reference.object_type == ObjectType.SYMMETRIC_KEY and format_ == KeyFormatType.RAW:
        taken = _secret(reference, plaintext, format_, abilities)
    elif reference.object_type == ObjectType.PRIVATE_KEY:
        taken = _private(reference, plaintext, format_, abilities)
    else:
        raise UnsupportedError("the token keeps symmetric and private keys only")
    imports = taken.shape.key_type in abilities.imports
    if taken.point:
        imports = abilities.sm2 is not None and abilities.sm2.imports
    if not imports:
        raise UnsupportedError("the token takes in no keys of this kind")
    return taken


def _secret(reference: KeyReference, plaintext: bytes, format_: KeyFormatType, abilities: Abilities) -> Taken:
    kind = abilities.secret_kind(reference.algorithm)
    if reference.algorithm is None or kind is None:
        raise UnsupportedError("the token keeps no symmetric keys of this algorithm")
    hashing = HMACS.get(reference.algorithm)
    if hashing is not None and hashing not in abilities.hmacs:
        raise UnsupportedError(f"the token does not offer HMAC with {hashing.name}")
    parsed = keyformats.parse(reference.object_type, format_, plaintext, reference.algorithm, reference.length or None)
    value = plaintext if hashing is None else table.hmac_value(hashing, plaintext)
    return Taken(
        reference._replace(length=parsed.length),
        secret_template(kind.key_type, value),
        Shape(ObjectClass.SECRET_KEY, kind.key_type, kind.capabilities),
        KeyFormatType.RAW,
    )


def _private(reference: KeyReference, plaintext: bytes, format_: KeyFormatType | None, abilities: Abilities) -> Taken:
    if format_ not in DER_FORMATS or asymmetric.is_encrypted(plaintext):
        # DSA and DH structures, Opaque keys, keys under a password: software keeps them, and uses them for nothing.
        raise UnsupportedError("the token keeps private keys that it can use only")
    key = asymmetric.load_private(plaintext)
    if isinstance(key, Sm2PrivateKey):
        return _sm2(reference, key, abilities)
    if not isinstance(key, asymmetric.ClassicPrivateKey):
        raise UnsupportedError("the token keeps no private keys of this kind")
    if reference.length not in (0, key.key_size):
        raise KeyMaterialError("the key does not have the stated Cryptographic Length")
    key_type = KeyType.RSA if isinstance(key, rsa.RSAPrivateKey) else KeyType.EC
    if isinstance(key, ec.EllipticCurvePrivateKey) and asymmetric.curve_name(key) not in abilities.curves:
        raise UnsupportedError("the token does not offer the curve")
    if table.PRIVATE_TYPES.get(reference.algorithm or CryptographicAlgorithm.RSA) != key_type:
        raise KeyMaterialError("the key is not of the stated Cryptographic Algorithm")
    return Taken(
        reference._replace(length=key.key_size),
        private_template(key),
        Shape(ObjectClass.PRIVATE_KEY, key_type, table.PRIVATE[key_type]),
        KeyFormatType.PKCS_8,
    )


def _sm2(reference: KeyReference, key: Sm2PrivateKey, abilities: Abilities) -> Taken:
    kind = abilities.sm2
    if kind is None:
        raise UnsupportedError("the token keeps no private keys of this kind")
    if reference.length not in (0, BITS):
        raise KeyMaterialError("the key does not have the stated Cryptographic Length")
    if reference.algorithm not in (None, CryptographicAlgorithm.SM2):
        raise KeyMaterialError("the key is not of the stated Cryptographic Algorithm")
    return Taken(
        reference._replace(length=BITS),
        sm2.template(key, kind),
        Shape(ObjectClass.PRIVATE_KEY, kind.key_type, kind.private),
        KeyFormatType.PKCS_8,
        key.public_key.point,
    )
