"""Keys under a public key (kmsd.domain.transport): wrapped to one, and what lies under the key that it held."""

from __future__ import annotations

from cryptography.hazmat.primitives import padding as paddings
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4

from kmsd.crypto import asymmetric, sm2, symmetric
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, KeyMaterialError, UnsupportedError
from kmsd.crypto.parameters import rsa_scheme
from kmsd.domain.key_specs import KeySpec
from kmsd.domain.transport import Inner, Transport
from protocol.enums import BlockCipherMode, CryptographicAlgorithm

_BLOCK = 16
PROBE = b"kmsd identity 1\0kmsd identity 2\0"
"""Two different blocks."""


def wrap_to(spki: bytes, spec: KeySpec, transport: Transport, data: bytes) -> bytes:
    """The data under a public key that a client brings, DER SubjectPublicKeyInfo, of this specification.

    Raises KeyMaterialError (no such key), InvalidParametersError (too long for it), UnsupportedError.
    """
    if transport.inner is not None:
        raise UnsupportedError(f"{transport.name} is for what is imported")
    key = asymmetric.load_public(spki)
    if asymmetric.algorithm_of(key) != spec.algorithm or asymmetric.size_of(key) != spec.length:
        raise KeyMaterialError(f"the public key is no {spec.name}")
    if isinstance(key, rsa.RSAPublicKey):
        return asymmetric.rsa_encrypt(key, rsa_scheme(transport.parameters), data)
    if isinstance(key, sm2.Sm2PublicKey):
        return key.encrypt(data)
    raise UnsupportedError("keys of this kind do not encrypt")


def split(spec: KeySpec, transport: Transport, wrapped: bytes) -> tuple[bytes, bytes]:
    """What is under the public key, and what is under the key that it holds; nothing without an inner step.

    Raises CryptographicFailureError.
    """
    if transport.inner is None:
        return wrapped, b""
    in_sm2 = spec.algorithm == CryptographicAlgorithm.SM2
    end = sm2.OVERHEAD + transport.inner.value[0] if in_sm2 else spec.length // 8
    if len(wrapped) <= end:
        raise CryptographicFailureError()
    return wrapped[:end], wrapped[end:]


def open_inner(inner: Inner, key: bytes, wrapped: bytes) -> bytes:
    """The inner step. Raises CryptographicFailureError, whatever is wrong."""
    if len(key) not in inner.value:
        raise CryptographicFailureError()
    if inner is Inner.AES_KEY_WRAP_PADDING:
        return symmetric.unwrap(key, BlockCipherMode.AES_KEY_WRAP_PADDING, wrapped)
    if not wrapped or len(wrapped) % _BLOCK:
        raise CryptographicFailureError()
    algorithm = AES(key) if inner is Inner.AES_256_ECB_PKCS7 else SM4(key)
    decryptor = Cipher(algorithm, modes.ECB()).decryptor()  # noqa: S305 -- the form that such clients send
    plaintext = decryptor.update(wrapped) + decryptor.finalize()
    if inner is Inner.SM4_ECB:
        return plaintext
    unpadder = paddings.PKCS7(_BLOCK * 8).unpadder()
    try:
        return unpadder.update(plaintext) + unpadder.finalize()
    except ValueError:
        raise CryptographicFailureError() from None


def identity(algorithm: CryptographicAlgorithm | None, material: bytes) -> bytes:
    """What tells material from any other, and can be had of a key that a token alone sees.

    Of AES keys two encrypted blocks, of others the material.
    """
    if algorithm != CryptographicAlgorithm.AES:
        return material
    if len(material) * 8 not in symmetric.AES_LENGTHS:
        raise InvalidParametersError("this is no AES key")
    encryptor = Cipher(AES(material), modes.ECB()).encryptor()  # noqa: S305 -- two blocks that never repeat
    return encryptor.update(PROBE) + encryptor.finalize()
