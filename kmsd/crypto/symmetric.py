"""AES and MACs on key bytes: what the software provider does once a key is unsealed."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import padding as paddings
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap,
    aes_key_wrap_with_padding,
)

from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, MissingIVError
from kmsd.crypto.hashes import HASHES
from kmsd.crypto.parameters import AES_BLOCK, CipherScheme
from kmsd.crypto.provider import Encrypted
from protocol.enums import BlockCipherMode, HashingAlgorithm, PaddingMethod

AES_LENGTHS = frozenset({128, 192, 256})
"""Bits."""

PADDINGS: dict[PaddingMethod, paddings.PKCS7 | paddings.ANSIX923] = {
    PaddingMethod.PKCS5: paddings.PKCS7(AES_BLOCK * 8),
    PaddingMethod.ANSI_X9_23: paddings.ANSIX923(AES_BLOCK * 8),
}


def encrypt(key: bytes, scheme: CipherScheme, data: bytes, iv: bytes | None, aad: bytes | None) -> Encrypted:
    """AES in the scheme's mode; chooses an IV where none is given. Raises InvalidParametersError."""
    chosen = None
    if iv is None:
        iv = choose_iv(scheme)
        chosen = iv or None
    check_input(scheme, iv, aad)
    if scheme.mode == BlockCipherMode.GCM:
        both = AESGCM(key).encrypt(iv, data, aad)
        end = len(data)
        return Encrypted(both[:end], chosen, both[end : end + scheme.tag_length])
    return Encrypted(_run(Cipher(AES(key), mode(scheme, iv)).encryptor(), _pad(scheme, data)), chosen)


def decrypt(
    key: bytes, scheme: CipherScheme, data: bytes, iv: bytes | None, aad: bytes | None, tag: bytes | None
) -> bytes:
    """AES in the scheme's mode. Raises InvalidParametersError, CryptographicFailureError."""
    if iv is None:
        if scheme.iv_length:
            raise MissingIVError("the IV/Counter/Nonce is missing")
        iv = b""
    check_input(scheme, iv, aad)
    if scheme.mode == BlockCipherMode.GCM:
        return _open_gcm(key, scheme, data, iv, aad, tag)
    if tag is not None:
        raise InvalidParametersError(f"{scheme.mode.name} takes no Authenticated Encryption Tag")
    if scheme.mode != BlockCipherMode.CTR and len(data) % AES_BLOCK:
        raise InvalidParametersError("the Data is not a whole number of blocks")
    plaintext = _run(Cipher(AES(key), mode(scheme, iv)).decryptor(), data)
    padding = PADDINGS.get(scheme.padding)
    if padding is None:
        return plaintext
    unpadder = padding.unpadder()
    try:
        return unpadder.update(plaintext) + unpadder.finalize()
    except ValueError:
        raise CryptographicFailureError() from None


def choose_iv(scheme: CipherScheme) -> bytes:
    """A random IV for the scheme, empty where it takes none.

    Raises InvalidParametersError where the client said Random IV = false and sent none.
    """
    if not scheme.iv_length:
        return b""
    if not scheme.may_choose_iv:
        raise MissingIVError("the IV/Counter/Nonce is missing")
    return os.urandom(scheme.iv_length)


def check_input(scheme: CipherScheme, iv: bytes, aad: bytes | None) -> None:
    """Raise InvalidParametersError for an IV or additional data that the mode does not take."""
    if aad and not scheme.tag_length:
        raise InvalidParametersError(f"{scheme.mode.name} takes no Authenticated Encryption Additional Data")
    size = len(iv)
    if scheme.mode == BlockCipherMode.GCM:
        sound = 8 <= size <= 128
    elif scheme.mode == BlockCipherMode.CTR and scheme.counter is not None:
        sound = 0 < size < AES_BLOCK
    else:
        sound = size == scheme.iv_length
    if not sound:
        raise InvalidParametersError("the IV/Counter/Nonce has the wrong length")


def counter_block(scheme: CipherScheme, iv: bytes) -> bytes:
    """The first counter block of CTR: a full block as it came, or IV || Initial Counter Value (RFC 3686
    §4)."""
    if scheme.counter is None:
        return iv
    try:
        return iv + scheme.counter.to_bytes(AES_BLOCK - len(iv), "big")
    except OverflowError:
        raise InvalidParametersError("the Initial Counter Value does not fit") from None


def _open_gcm(key: bytes, scheme: CipherScheme, data: bytes, iv: bytes, aad: bytes | None, tag: bytes | None) -> bytes:
    if tag is None:
        raise InvalidParametersError("the Authenticated Encryption Tag is missing")
    if len(tag) != scheme.tag_length:
        raise InvalidParametersError("the Authenticated Encryption Tag does not have the Tag Length")
    try:
        if scheme.tag_length == 16:
            return AESGCM(key).decrypt(iv, data + tag, aad)
        context = Cipher(AES(key), modes.GCM(iv, tag, min_tag_length=scheme.tag_length)).decryptor()
        context.authenticate_additional_data(aad or b"")
        return _run(context, data)
    except InvalidTag:
        raise CryptographicFailureError() from None


def mode(scheme: CipherScheme, iv: bytes) -> modes.CBC | modes.CTR | modes.ECB:
    """The mode of a scheme that does not authenticate."""
    if scheme.mode == BlockCipherMode.CBC:
        return modes.CBC(iv)
    if scheme.mode == BlockCipherMode.CTR:
        return modes.CTR(counter_block(scheme, iv))
    return modes.ECB()  # noqa: S305 -- a mode of the specification


def _run(context: CipherContext, data: bytes) -> bytes:
    return context.update(data) + context.finalize()


def _pad(scheme: CipherScheme, data: bytes) -> bytes:
    padding = PADDINGS.get(scheme.padding)
    if padding is not None:
        padder = padding.padder()
        return padder.update(data) + padder.finalize()
    if scheme.mode != BlockCipherMode.CTR and len(data) % AES_BLOCK:
        raise InvalidParametersError("the Data is not a whole number of blocks and no Padding Method is given")
    return data


def mac(key: bytes, hashing: HashingAlgorithm | None, data: bytes) -> bytes:
    """HMAC (RFC 2104) with a hash, AES-CMAC (NIST SP 800-38B) without; the whole value."""
    context = mac_context(key, hashing)
    context.update(data)
    return context.finalize()


def mac_verify(key: bytes, hashing: HashingAlgorithm | None, data: bytes, value: bytes) -> bool:
    """Whether `value` is the whole MAC, in constant time; truncated values are not accepted."""
    context = mac_context(key, hashing)
    context.update(data)
    try:
        context.verify(value)
    except InvalidSignature:
        return False
    return True


def mac_context(key: bytes, hashing: HashingAlgorithm | None) -> HMAC | CMAC:
    """HMAC with a hash, AES-CMAC without; nothing taken in yet."""
    return CMAC(AES(key)) if hashing is None else HMAC(key, HASHES[hashing])


def wrap(key: bytes, mode: BlockCipherMode, plaintext: bytes) -> bytes:
    """NIST SP 800-38F: KW (16 bytes or more, a multiple of 8) or KWP (1 byte or more)."""
    if mode == BlockCipherMode.AES_KEY_WRAP_PADDING:
        if not plaintext:
            raise InvalidParametersError("there is nothing to wrap")
        return aes_key_wrap_with_padding(key, plaintext)
    if len(plaintext) < 16 or len(plaintext) % 8:
        raise InvalidParametersError("NIST key wrap takes 16 bytes or more, in multiples of 8")
    return aes_key_wrap(key, plaintext)


def unwrap(key: bytes, mode: BlockCipherMode, wrapped: bytes) -> bytes:
    """The inverse. Raises CryptographicFailureError, whatever is wrong with `wrapped`."""
    opened = aes_key_unwrap_with_padding if mode == BlockCipherMode.AES_KEY_WRAP_PADDING else aes_key_unwrap
    try:
        return opened(key, wrapped)
    except (InvalidUnwrap, ValueError):
        raise CryptographicFailureError() from None
