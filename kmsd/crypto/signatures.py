"""RSA and ECDSA signatures (RFC 8017 §8, FIPS 186-5 §6); ECDSA signatures are DER, as the OASIS cases have
them."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as paddings
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from kmsd.crypto.asymmetric import PrivateKey, PublicKey
from kmsd.crypto.errors import InvalidParametersError
from kmsd.crypto.hashes import HASHES, digest
from kmsd.crypto.parameters import SignatureScheme
from protocol.enums import CryptographicAlgorithm, PaddingMethod

# ECDSA reads a digest as a number, so zeros in front change nothing (FIPS 186-5 §6.4.1): any digest up to a
# hash's size can be handed over as one of that size.
_BY_SIZE: dict[int, hashes.HashAlgorithm] = {
    20: hashes.SHA1(),  # noqa: S303 -- only says the size
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


def algorithm_of(key: PrivateKey | PublicKey) -> CryptographicAlgorithm:
    """RSA or EC."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return CryptographicAlgorithm.RSA
    return CryptographicAlgorithm.EC


def sign(key: PrivateKey, scheme: SignatureScheme, data: bytes | None, digested: bytes | None) -> bytes:
    """Sign `data`, or `digested`, which was hashed by the client. Raises InvalidParametersError."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        value = _value(scheme, data, digested)
        padded, function = _ecdsa_input(value, key.curve.key_size)
        return key.sign(padded, ec.ECDSA(Prehashed(function)))
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
            padded, function = _ecdsa_input(value, key.curve.key_size)
            key.verify(signature, padded, ec.ECDSA(Prehashed(function)))
        elif digested is not None and scheme.hashing is None:
            return key.recover_data_from_signature(signature, paddings.PKCS1v15(), NoDigestInfo()) == digested
        else:
            message, hashing = _rsa_input(scheme, data, digested)
            key.verify(signature, message, _padding(scheme, verify=True), hashing)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


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


def _ecdsa_input(value: bytes, bits: int) -> tuple[bytes, hashes.HashAlgorithm]:
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
