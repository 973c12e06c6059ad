"""Ciphers and MACs on key bytes: what the software provider does once a key is unsealed."""

from __future__ import annotations

import os
from collections.abc import Callable
from hmac import compare_digest

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import padding as paddings
from cryptography.hazmat.primitives.ciphers import (
    AEADDecryptionContext,
    AEADEncryptionContext,
    Cipher,
    CipherAlgorithm,
    CipherContext,
    modes,
)
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4, ChaCha20
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap,
    aes_key_wrap_with_padding,
)

from kmsd.crypto.ciphers import CIPHERS, WHOLE, WHOLE_BLOCKS, CipherScheme
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, MissingIVError
from kmsd.crypto.hashes import HASHES
from kmsd.crypto.provider import Encrypted
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm, PaddingMethod

AES_LENGTHS = frozenset({128, 192, 256})
"""Bits."""

_BLOCKS = {name: cipher.block for name, cipher in CIPHERS.items() if not cipher.modes.isdisjoint(WHOLE_BLOCKS)}
"""Bytes, of the algorithms whose data is padded."""
_PADDINGS: dict[tuple[PaddingMethod, CryptographicAlgorithm], paddings.PKCS7 | paddings.ANSIX923] = {
    (method, name): made(block * 8)
    for name, block in _BLOCKS.items()
    for method, made in ((PaddingMethod.PKCS5, paddings.PKCS7), (PaddingMethod.ANSI_X9_23, paddings.ANSIX923))
}


def _tails(method: PaddingMethod, block: int) -> tuple[bytes, ...]:
    """Paddings of 1 to `block` bytes, the longest first. Each ends with its length, which PKCS#5 repeats (RFC 8018
    §6.1.1) and ANSI X9.23 puts behind zeros."""
    filled = method == PaddingMethod.PKCS5
    return tuple(bytes((size if filled else 0,)) * (size - 1) + bytes((size,)) for size in range(block, 0, -1))


_TAILS = {(method, name): _tails(method, _BLOCKS[name]) for method, name in _PADDINGS}


def _triple_des(key: bytes) -> TripleDES:
    return TripleDES(key if len(key) == 24 else key + key[:8])


_ALGORITHMS: dict[CryptographicAlgorithm, Callable[[bytes], CipherAlgorithm]] = {
    CryptographicAlgorithm.AES: AES,
    CryptographicAlgorithm.SM4: SM4,
    CryptographicAlgorithm.DES3: _triple_des,
}

_XTS_LEAST = 16
_CCM_LENGTHS = 15
"""A CCM nonce of n bytes leaves 15 - n for the data's length (NIST SP 800-38C appendix A.1)."""


def padding_of(scheme: CipherScheme) -> paddings.PKCS7 | paddings.ANSIX923 | None:
    """The padding, None where the data is whole blocks or the mode needs none."""
    return _PADDINGS.get((scheme.padding, scheme.algorithm))


_Plain = modes.CBC | modes.CTR | modes.ECB | modes.XTS | None


def cipher(key: bytes, scheme: CipherScheme, iv: bytes) -> Cipher[_Plain]:
    """Algorithm, key and mode, of those that do not authenticate.

    Raises InvalidParametersError where the key does not fit the mode.
    """
    if scheme.algorithm == CryptographicAlgorithm.CHACHA20:
        return Cipher(ChaCha20(key, counter_block(scheme, iv)), None)
    mode = scheme.mode
    made = _MODES[mode](scheme, iv)
    xts = mode == BlockCipherMode.XTS
    if (len(key) == 64) != xts and len(key) != 32:
        raise InvalidParametersError(f"a key of this length is not for {mode.name}")
    if xts and compare_digest(key[: len(key) // 2], key[len(key) // 2 :]):
        raise InvalidParametersError("the two halves of an XTS key are to differ")
    return Cipher(_ALGORITHMS[scheme.algorithm](key), made)


_MODES: dict[BlockCipherMode, Callable[[CipherScheme, bytes], modes.CBC | modes.CTR | modes.ECB | modes.XTS]] = {
    BlockCipherMode.ECB: lambda scheme, iv: modes.ECB(),  # noqa: S305 -- a mode of the specification
    BlockCipherMode.CBC: lambda scheme, iv: modes.CBC(iv),
    BlockCipherMode.CTR: lambda scheme, iv: modes.CTR(counter_block(scheme, iv)),
    BlockCipherMode.XTS: lambda scheme, iv: modes.XTS(iv),
}


def _aead(key: bytes, scheme: CipherScheme) -> AESGCM | AESCCM | ChaCha20Poly1305 | None:
    """The ready-made construction with the tag of this length, where there is one."""
    if scheme.mode == BlockCipherMode.AEAD:
        return ChaCha20Poly1305(key)
    if scheme.mode == BlockCipherMode.CCM:
        return AESCCM(_single(key, scheme), scheme.tag_length)
    if scheme.algorithm == CryptographicAlgorithm.AES and scheme.tag_length == 16:
        return AESGCM(_single(key, scheme))
    return None


def _single(key: bytes, scheme: CipherScheme) -> bytes:
    if len(key) * 8 not in AES_LENGTHS:
        raise InvalidParametersError(f"a key of this length is not for {scheme.mode.name}")
    return key


def encrypt(key: bytes, scheme: CipherScheme, data: bytes, iv: bytes | None, aad: bytes | None) -> Encrypted:
    """Chooses an IV where none is given. Raises InvalidParametersError."""
    chosen = None
    if iv is None:
        iv = choose_iv(scheme)
        chosen = iv or None
    check_input(scheme, iv, aad)
    if scheme.mode in WHOLE:
        _check_size(scheme, iv, len(data))
    if not scheme.tag_length:
        return Encrypted(_run(cipher(key, scheme, iv).encryptor(), pad(scheme, data)), chosen)
    aead = _aead(key, scheme)
    if aead is not None:
        both = aead.encrypt(iv, data, aad)
        end = len(data)
        return Encrypted(both[:end], chosen, both[end : end + scheme.tag_length])
    context = sealing(key, scheme, iv, aad)
    text = _run(context, data)
    return Encrypted(text, chosen, context.tag[: scheme.tag_length])


def sealing(key: bytes, scheme: CipherScheme, iv: bytes, aad: bytes | None) -> AEADEncryptionContext:
    """Encryption with GCM, in parts."""
    if scheme.algorithm == CryptographicAlgorithm.AES:
        _single(key, scheme)
    context = Cipher(_ALGORITHMS[scheme.algorithm](key), modes.GCM(iv)).encryptor()
    context.authenticate_additional_data(aad or b"")
    return context


def decrypt(
    key: bytes, scheme: CipherScheme, data: bytes, iv: bytes | None, aad: bytes | None, tag: bytes | None
) -> bytes:
    """Raises InvalidParametersError, CryptographicFailureError."""
    if iv is None:
        if scheme.iv_length:
            raise MissingIVError("the IV/Counter/Nonce is missing")
        iv = b""
    check_input(scheme, iv, aad)
    if scheme.tag_length:
        return _open(key, scheme, data, iv, aad, tag)
    if tag is not None:
        raise InvalidParametersError(f"{scheme.mode.name} takes no Authenticated Encryption Tag")
    if scheme.mode in WHOLE_BLOCKS and len(data) % scheme.block:
        raise InvalidParametersError("the Data is not a whole number of blocks")
    _check_size(scheme, iv, len(data))
    return unpad(scheme, _run(cipher(key, scheme, iv).decryptor(), data))


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
    if size == scheme.iv_length and scheme.counter is None:
        return
    if scheme.algorithm == CryptographicAlgorithm.CHACHA20:
        sound = size in (8, 12) or (size == 16 and scheme.counter is None)
    elif scheme.mode == BlockCipherMode.CTR and scheme.counter is not None:
        sound = 0 < size < scheme.block
    else:
        sound = size in scheme.iv_lengths
    if not sound:
        raise InvalidParametersError("the IV/Counter/Nonce has the wrong length")


def _check_size(scheme: CipherScheme, iv: bytes, size: int) -> None:
    """Raise InvalidParametersError for as much or as little data as the mode does not take."""
    if scheme.mode == BlockCipherMode.XTS and size < _XTS_LEAST:
        raise InvalidParametersError(f"XTS takes {_XTS_LEAST} bytes of Data or more")
    if scheme.mode == BlockCipherMode.CCM and size >> 8 * (_CCM_LENGTHS - len(iv)):
        raise InvalidParametersError("the Data is too long for CCM with a nonce of this length")


def counter_block(scheme: CipherScheme, iv: bytes) -> bytes:
    """The first counter block: a full block as it came, or IV || Initial Counter Value (RFC 3686 §4).

    ChaCha20 has the counter in front, least significant byte first: 4 bytes with a nonce of 12 (RFC 8439 §2.3), 8 with
    one of 8 (Bernstein's own), from 0 unless it is given.
    """
    if scheme.counter is None and len(iv) == 16:
        return iv
    try:
        if scheme.algorithm == CryptographicAlgorithm.CHACHA20:
            return (scheme.counter or 0).to_bytes(16 - len(iv), "little") + iv
        return iv + (scheme.counter or 0).to_bytes(scheme.block - len(iv), "big")
    except OverflowError:
        raise InvalidParametersError("the Initial Counter Value does not fit") from None


def _open(key: bytes, scheme: CipherScheme, data: bytes, iv: bytes, aad: bytes | None, tag: bytes | None) -> bytes:
    if tag is None:
        raise InvalidParametersError("the Authenticated Encryption Tag is missing")
    if len(tag) != scheme.tag_length:
        raise InvalidParametersError("the Authenticated Encryption Tag does not have the Tag Length")
    _check_size(scheme, iv, len(data))
    aead = _aead(key, scheme)
    try:
        if isinstance(aead, ChaCha20Poly1305) and scheme.tag_length < 16:
            return _open_short(key, data, iv, aad, tag)
        if aead is not None:
            return aead.decrypt(iv, data + tag, aad)
        return _run(_opening(key, scheme, iv, aad, tag), data)
    except InvalidTag:
        raise CryptographicFailureError() from None


def _open_short(key: bytes, data: bytes, iv: bytes, aad: bytes | None, tag: bytes) -> bytes:
    """ChaCha20-Poly1305 by the beginning of its tag: the plaintext, if its encryption has that tag (RFC 8439 §2.8)."""
    plaintext = _run(Cipher(ChaCha20(key, (1).to_bytes(4, "little") + iv), None).decryptor(), data)
    whole = ChaCha20Poly1305(key).encrypt(iv, plaintext, aad)[len(data) :]
    if not compare_digest(whole[: len(tag)], tag):
        raise CryptographicFailureError()
    return plaintext


def _opening(key: bytes, scheme: CipherScheme, iv: bytes, aad: bytes | None, tag: bytes) -> AEADDecryptionContext:
    if scheme.algorithm == CryptographicAlgorithm.AES:
        _single(key, scheme)
    gcm = modes.GCM(iv, tag, min_tag_length=scheme.tag_length)
    context = Cipher(_ALGORITHMS[scheme.algorithm](key), gcm).decryptor()
    context.authenticate_additional_data(aad or b"")
    return context


def _run(context: CipherContext, data: bytes) -> bytes:
    return context.update(data) + context.finalize()


def pad(scheme: CipherScheme, data: bytes) -> bytes:
    """Raises InvalidParametersError for broken blocks without padding."""
    tails = _TAILS.get((scheme.padding, scheme.algorithm))
    if tails is not None:
        return data + tails[len(data) % len(tails)]
    if scheme.mode in WHOLE_BLOCKS and len(data) % scheme.block:
        raise InvalidParametersError("the Data is not a whole number of blocks and no Padding Method is given")
    return data


def unpad(scheme: CipherScheme, data: bytes) -> bytes:
    """In a time that does not tell where the padding is wrong. Raises CryptographicFailureError."""
    padding = padding_of(scheme)
    if padding is None:
        return data
    unpadder = padding.unpadder()
    try:
        return unpadder.update(data) + unpadder.finalize()
    except ValueError:
        raise CryptographicFailureError() from None


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
