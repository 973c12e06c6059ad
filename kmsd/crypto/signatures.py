"""Signatures: RSA and ECDSA (RFC 8017 §8, FIPS 186-5 §6), Ed25519 (RFC 8032), ML-DSA (FIPS 204), SM2 (GB/T 32918.2).

ECDSA and SM2 signatures are DER, as the OASIS cases have the former.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric import padding as paddings
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from kmsd.crypto.asymmetric import PrivateKey, PublicKey
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hashes import HASHES, digest
from kmsd.crypto.parameters import SignatureScheme
from kmsd.crypto.sm2 import Sm2PrivateKey, Sm2PublicKey
from protocol.enums import PaddingMethod

# ECDSA reads a digest as a number, so zeros in front change nothing (FIPS 186-5 §6.4.1): any digest up to a
# hash's size can be handed over as one of that size.
_BY_SIZE: dict[int, ec.ECDSA] = {
    20: ec.ECDSA(Prehashed(hashes.SHA1())),  # noqa: S303 -- only says the size
    28: ec.ECDSA(Prehashed(hashes.SHA224())),
    32: ec.ECDSA(Prehashed(hashes.SHA256())),
    48: ec.ECDSA(Prehashed(hashes.SHA384())),
    64: ec.ECDSA(Prehashed(hashes.SHA512())),
}


# The orders of the curves (SEC 2), for signatures whose s is to be the smaller one of two.
_ORDERS: dict[str, int] = {
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}


def sign(key: PrivateKey, scheme: SignatureScheme, data: bytes | None, digested: bytes | None) -> bytes:
    """Sign `data`, or `digested`, which was hashed by the client.

    Raises InvalidParametersError, and UnsupportedError for keys that do not sign.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey):
        value = _value(scheme, data, digested)
        made = key.sign(*_ecdsa_input(value, key.curve.key_size))
        return low_s(made, key.curve) if scheme.low_s else made
    if isinstance(key, Sm2PrivateKey):
        if digested is not None:
            return key.sign_digest(digested)
        return key.sign(_given(data), scheme.identifier)
    if isinstance(key, _DATA_SIGNERS):
        return key.sign(_given(data))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnsupportedError("keys of this kind do not sign")
    try:
        if digested is not None and scheme.hashing is None:
            return key.sign(digested, paddings.PKCS1v15(), NoDigestInfo())
        message, hashing = _rsa_input(scheme, data, digested)
        return key.sign(message, _padding(scheme, verify=False), hashing)
    except ValueError:
        raise InvalidParametersError("the digest and salt do not fit into the key") from None


def verify(
    key: PublicKey, scheme: SignatureScheme, data: bytes | None, digested: bytes | None, signature: bytes
) -> bool:
    """Whether the signature is good; a malformed one is not. Raises InvalidParametersError for bad input."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            value = _value(scheme, data, digested)
            key.verify(signature, *_ecdsa_input(value, key.curve.key_size))
            return not scheme.low_s or low_s(signature, key.curve) == signature
        if isinstance(key, Sm2PublicKey):
            if digested is not None:
                return key.verify_digest(signature, digested)
            return key.verify(signature, _given(data), scheme.identifier)
        if isinstance(key, _DATA_VERIFIERS):
            key.verify(signature, _given(data))
            return True
        if not isinstance(key, rsa.RSAPublicKey):
            raise UnsupportedError("keys of this kind do not sign")
        if digested is not None and scheme.hashing is None:
            return key.recover_data_from_signature(signature, paddings.PKCS1v15(), NoDigestInfo()) == digested
        message, hashing = _rsa_input(scheme, data, digested)
        key.verify(signature, message, _padding(scheme, verify=True), hashing)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


_DATA_SIGNERS = (
    ed25519.Ed25519PrivateKey,
    mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PrivateKey,
)
_DATA_VERIFIERS = (
    ed25519.Ed25519PublicKey,
    mldsa.MLDSA44PublicKey,
    mldsa.MLDSA65PublicKey,
    mldsa.MLDSA87PublicKey,
)


def _given(data: bytes | None) -> bytes:
    if data is None:
        raise InvalidParametersError("there is nothing to sign")
    return data


def low_s(signature: bytes, curve: ec.EllipticCurve) -> bytes:
    """The same ECDSA signature, DER, with the smaller one of s and n - s (BIP 146). Raises UnsupportedError."""
    order = _ORDERS.get(curve.name)
    if order is None:
        raise UnsupportedError("signatures with a low s are for P-256 and secp256k1")
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, order - s))


def _value(scheme: SignatureScheme, data: bytes | None, digested: bytes | None) -> bytes:
    if digested is not None:
        return digested
    if data is None or scheme.hashing is None:
        raise InvalidParametersError("there is nothing to sign")
    return digest(scheme.hashing, data)


def ecdsa_value(value: bytes, bits: int) -> bytes:
    """A digest as ECDSA on a curve of `bits` takes it, at the size of a hash: 20 to 64 bytes.

    Raises InvalidParametersError for an empty digest and for one that fits none of them.
    """
    if not value:
        raise InvalidParametersError("the Digested Data is empty")
    for size in _BY_SIZE:
        if len(value) <= size and (size == len(value) or size * 8 <= bits):
            return value.rjust(size, b"\0")
    raise InvalidParametersError("the Digested Data does not fit the curve")


def _ecdsa_input(value: bytes, bits: int) -> tuple[bytes, ec.ECDSA]:
    padded = ecdsa_value(value, bits)
    return padded, _BY_SIZE[len(padded)]


def _rsa_input(
    scheme: SignatureScheme, data: bytes | None, digested: bytes | None
) -> tuple[bytes, hashes.HashAlgorithm | Prehashed]:
    if scheme.hashing is not None:
        if digested is not None:
            return digested, Prehashed(HASHES[scheme.hashing])
        if data is not None:
            return data, HASHES[scheme.hashing]
    raise InvalidParametersError("there is nothing to sign")


def _padding(scheme: SignatureScheme, *, verify: bool) -> paddings.AsymmetricPadding:
    if scheme.padding == PaddingMethod.PKCS1_V1_5 or scheme.mask_hashing is None:
        return paddings.PKCS1v15()
    salt = scheme.salt_length
    if salt is not None:
        return paddings.PSS(paddings.MGF1(HASHES[scheme.mask_hashing]), salt)
    length = paddings.PSS.AUTO if verify else paddings.PSS.DIGEST_LENGTH
    return paddings.PSS(paddings.MGF1(HASHES[scheme.mask_hashing]), length)
