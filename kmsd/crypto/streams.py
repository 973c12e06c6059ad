"""Cryptography in parts, in software: each part is worked on as it comes (KMIP 1.4 §4.29 to §4.37).

Decryption with authentication is the exception: no plaintext is given out before its tag is verified, so such a
stream only collects, and is opened at its end.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, CipherContext
from cryptography.hazmat.primitives.hashes import Hash

from kmsd.crypto import symmetric
from kmsd.crypto.ciphers import WHOLE_BLOCKS, CipherScheme
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from kmsd.crypto.hashes import HASHES
from kmsd.crypto.provider import Encrypted
from protocol.enums import HashingAlgorithm


class HashStream:
    """The digest of what comes."""

    def __init__(self, hashing: HashingAlgorithm) -> None:
        row = HASHES.get(hashing)
        if row is None:
            raise UnsupportedError(f"Hashing Algorithm {hashing.name} is not supported")
        self._hash = Hash(row)

    def update(self, data: bytes) -> bytes:
        self._hash.update(data)
        return b""

    def finish(self, data: bytes, tag: bytes | None = None) -> Encrypted:
        self._hash.update(data)
        return Encrypted(self._hash.finalize())


class MacStream:
    """HMAC with a hash, AES-CMAC without."""

    def __init__(self, key: bytes, hashing: HashingAlgorithm | None) -> None:
        self._context = symmetric.mac_context(key, hashing)

    def update(self, data: bytes) -> bytes:
        self._context.update(data)
        return b""

    def finish(self, data: bytes, tag: bytes | None = None) -> Encrypted:
        self._context.update(data)
        return Encrypted(self._context.finalize())


class EncryptStream:
    """Encryption in a mode that is not one of ciphers.WHOLE; the IV is the caller's business by now."""

    def __init__(self, key: bytes, scheme: CipherScheme, iv: bytes, aad: bytes | None) -> None:
        symmetric.check_input(scheme, iv, aad)
        self._scheme = scheme
        padding = symmetric.padding_of(scheme)
        self._padder = padding.padder() if padding is not None else None
        self._context: CipherContext | AEADEncryptionContext
        if scheme.tag_length:
            self._context = symmetric.sealing(key, scheme, iv, aad)
        else:
            self._context = symmetric.cipher(key, scheme, iv).encryptor()
        self._size = 0

    def update(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._padder is not None:
            data = self._padder.update(data)
        return self._context.update(data)

    def finish(self, data: bytes, tag: bytes | None = None) -> Encrypted:
        rest = self.update(data)
        if self._padder is not None:
            rest += self._context.update(self._padder.finalize())
        elif self._scheme.mode in WHOLE_BLOCKS and self._size % self._scheme.block:
            raise InvalidParametersError("the Data is not a whole number of blocks and no Padding Method is given")
        rest += self._context.finalize()
        if isinstance(self._context, AEADEncryptionContext):
            return Encrypted(rest, None, self._context.tag[: self._scheme.tag_length])
        return Encrypted(rest)


class DecryptStream:
    """Decryption in a mode that does not authenticate."""

    def __init__(self, key: bytes, scheme: CipherScheme, iv: bytes, aad: bytes | None) -> None:
        symmetric.check_input(scheme, iv, aad)
        self._scheme = scheme
        padding = symmetric.padding_of(scheme)
        self._unpadder = padding.unpadder() if padding is not None else None
        self._context = symmetric.cipher(key, scheme, iv).decryptor()
        self._size = 0

    def update(self, data: bytes) -> bytes:
        self._size += len(data)
        plaintext = self._context.update(data)
        return plaintext if self._unpadder is None else self._unpadder.update(plaintext)

    def finish(self, data: bytes, tag: bytes | None = None) -> Encrypted:
        if tag is not None:
            raise InvalidParametersError(f"{self._scheme.mode.name} takes no Authenticated Encryption Tag")
        rest = self.update(data)
        if self._scheme.mode in WHOLE_BLOCKS and self._size % self._scheme.block:
            raise InvalidParametersError("the Data is not a whole number of blocks")
        last = self._context.finalize()
        if self._unpadder is None:
            return Encrypted(rest + last)
        try:
            return Encrypted(rest + self._unpadder.update(last) + self._unpadder.finalize())
        except ValueError:
            raise CryptographicFailureError() from None
