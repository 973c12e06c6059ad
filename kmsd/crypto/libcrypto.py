"""SM2 in the system's libcrypto (OpenSSL 3.0 and later), by its EVP interface.

`cryptography` brings its own libcrypto and leaves SM2 out; the system's has it, except where a distribution builds it
without. Only what SM2 needs is declared here. Keys go in and out as DER, so no handle outlives a call. ctypes lets
go of the interpreter lock during each.

`EVP_PKEY_CTX_set1_id` counts only on a context that is attached to the digest context before the signature begins.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p
from functools import cache
from typing import Any

from kmsd.crypto.errors import CryptographicFailureError, UnsupportedError

_NAMES = ("libcrypto.so.4", "libcrypto.so.3")
ENVIRONMENT = "KMSD_LIBCRYPTO"
"""Names another library file, for an OpenSSL that is not in the usual place."""

_SM2, _SM3 = b"SM2", b"SM3"
_LARGEST_SIGNATURE = 80
"""Bytes: a DER sequence of two integers of 33 bytes has 72 at most."""

_FUNCTIONS: dict[str, tuple[Any, ...]] = {  # name -> result, arguments
    "OpenSSL_version": (c_char_p, c_int),
    "OPENSSL_version_major": (ctypes.c_uint,),
    "OPENSSL_version_minor": (ctypes.c_uint,),
    "CRYPTO_free": (None, c_void_p, c_char_p, c_int),
    "ERR_clear_error": (None,),
    "ERR_get_error": (c_ulong,),
    "ERR_error_string_n": (None, c_ulong, c_char_p, c_size_t),
    "EVP_PKEY_CTX_new_from_name": (c_void_p, c_void_p, c_char_p, c_char_p),
    "EVP_PKEY_CTX_new_from_pkey": (c_void_p, c_void_p, c_void_p, c_char_p),
    "EVP_PKEY_CTX_free": (None, c_void_p),
    "EVP_PKEY_CTX_set1_id": (c_int, c_void_p, c_char_p, c_int),
    "EVP_PKEY_free": (None, c_void_p),
    "EVP_PKEY_keygen_init": (c_int, c_void_p),
    "EVP_PKEY_generate": (c_int, c_void_p, POINTER(c_void_p)),
    "EVP_MD_CTX_new": (c_void_p,),
    "EVP_MD_CTX_free": (None, c_void_p),
    "EVP_MD_CTX_set_pkey_ctx": (None, c_void_p, c_void_p),
    "EVP_DigestSignInit_ex": (c_int, c_void_p, c_void_p, c_char_p, c_void_p, c_char_p, c_void_p, c_void_p),
    "EVP_DigestSign": (c_int, c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t),
    "EVP_DigestVerifyInit_ex": (c_int, c_void_p, c_void_p, c_char_p, c_void_p, c_char_p, c_void_p, c_void_p),
    "EVP_DigestVerify": (c_int, c_void_p, c_char_p, c_size_t, c_char_p, c_size_t),
    "EVP_PKEY_sign_init": (c_int, c_void_p),
    "EVP_PKEY_sign": (c_int, c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t),
    "EVP_PKEY_verify_init": (c_int, c_void_p),
    "EVP_PKEY_verify": (c_int, c_void_p, c_char_p, c_size_t, c_char_p, c_size_t),
    "EVP_PKEY_encrypt_init": (c_int, c_void_p),
    "EVP_PKEY_encrypt": (c_int, c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t),
    "EVP_PKEY_decrypt_init": (c_int, c_void_p),
    "EVP_PKEY_decrypt": (c_int, c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t),
    "d2i_AutoPrivateKey": (c_void_p, c_void_p, POINTER(c_void_p), c_long),
    "d2i_PUBKEY": (c_void_p, c_void_p, POINTER(c_void_p), c_long),
    "i2d_PUBKEY": (c_int, c_void_p, POINTER(c_void_p)),
    "EVP_PKEY2PKCS8": (c_void_p, c_void_p),
    "i2d_PKCS8_PRIV_KEY_INFO": (c_int, c_void_p, POINTER(c_void_p)),
    "PKCS8_PRIV_KEY_INFO_free": (None, c_void_p),
}


class LibcryptoError(Exception):
    """The library refused; its own words, which hold no secret."""


class Library:
    """The functions of one libcrypto. Raises UnsupportedError where it cannot be loaded or lacks one of them."""

    def __init__(self, name: str) -> None:
        try:
            library = ctypes.CDLL(name)
            functions = {function: getattr(library, function) for function in _FUNCTIONS}
        except (OSError, AttributeError) as error:
            raise UnsupportedError(f"SM2 needs the system's libcrypto of OpenSSL 3.0 or later: {error}") from error
        for function, (result, *arguments) in _FUNCTIONS.items():
            functions[function].restype, functions[function].argtypes = result, arguments
        self._functions: dict[str, Callable[..., Any]] = functions
        self.version: str = functions["OpenSSL_version"](0).decode()
        self.release: tuple[int, int] = (
            functions["OPENSSL_version_major"](),
            functions["OPENSSL_version_minor"](),
        )

    # --- SM2 ---

    def generate(self) -> bytes:
        """A new private key, PKCS#8 with its public key."""
        with self._context("EVP_PKEY_CTX_new_from_name", None, _SM2, None) as context:
            self._do("EVP_PKEY_keygen_init", context)
            key = c_void_p()
            self._do("EVP_PKEY_generate", context, byref(key))
        try:
            info = self._do("EVP_PKEY2PKCS8", key)
            try:
                return self._written("i2d_PKCS8_PRIV_KEY_INFO", info)
            finally:
                self._functions["PKCS8_PRIV_KEY_INFO_free"](info)
        finally:
            self._functions["EVP_PKEY_free"](key)

    def public_of(self, pkcs8: bytes) -> bytes:
        """SubjectPublicKeyInfo of a private key, computed where the key does not hold it."""
        with self._private(pkcs8) as key:
            return self._written("i2d_PUBKEY", key)

    def sign(self, pkcs8: bytes, identifier: bytes, data: bytes) -> bytes:
        """DER. GB/T 32918.2, with SM3."""
        with self._private(pkcs8) as key, self._digest("EVP_DigestSignInit_ex", key, identifier) as context:
            return self._sized("EVP_DigestSign", context, data, _LARGEST_SIGNATURE)

    def sign_digest(self, pkcs8: bytes, digest: bytes) -> bytes:
        """DER; `digest` is e = SM3(Z || M), 32 bytes."""
        with self._private(pkcs8) as key, self._operation("EVP_PKEY_sign_init", key) as context:
            return self._sized("EVP_PKEY_sign", context, digest, _LARGEST_SIGNATURE)

    def verify(self, spki: bytes, identifier: bytes, signature: bytes, data: bytes) -> bool:
        with self._public(spki) as key, self._digest("EVP_DigestVerifyInit_ex", key, identifier) as context:
            return self._holds("EVP_DigestVerify", context, signature, data)

    def verify_digest(self, spki: bytes, signature: bytes, digest: bytes) -> bool:
        with self._public(spki) as key, self._operation("EVP_PKEY_verify_init", key) as context:
            return self._holds("EVP_PKEY_verify", context, signature, digest)

    def encrypt(self, spki: bytes, data: bytes) -> bytes:
        """SM2Cipher (GM/T 0009), DER, with SM3."""
        with self._public(spki) as key, self._operation("EVP_PKEY_encrypt_init", key) as context:
            return self._sized("EVP_PKEY_encrypt", context, data)

    def decrypt(self, pkcs8: bytes, data: bytes) -> bytes:
        """The inverse. Raises CryptographicFailureError, whatever is wrong with `data`."""
        with self._private(pkcs8) as key, self._operation("EVP_PKEY_decrypt_init", key) as context:
            try:
                return self._sized("EVP_PKEY_decrypt", context, data)
            except LibcryptoError:
                raise CryptographicFailureError() from None

    # --- within ---

    def _do(self, function: str, *arguments: Any) -> Any:
        """Call it. Raises LibcryptoError for a result that is null, 0 or less."""
        result = self._functions[function](*arguments)
        if result is None or result <= 0:
            raise LibcryptoError(f"{function}: {self._reason()}")
        return result

    def _reason(self) -> str:
        text = ctypes.create_string_buffer(256)
        code = self._functions["ERR_get_error"]()
        self._functions["ERR_error_string_n"](code, text, len(text))
        self._functions["ERR_clear_error"]()
        return text.value.decode(errors="replace") if code else "no reason given"

    def _holds(self, function: str, context: c_void_p, signature: bytes, data: bytes) -> bool:
        good: int = self._functions[function](context, signature, len(signature), data, len(data))
        self._functions["ERR_clear_error"]()
        return good == 1

    def _sized(self, function: str, context: c_void_p, data: bytes, size: int | None = None) -> bytes:
        """What the function writes; it says itself how much room it wants where `size` does not."""
        length = c_size_t(0)
        if size is None:
            self._do(function, context, None, byref(length), data, len(data))
            size = length.value
        output = ctypes.create_string_buffer(max(size, 1))
        length.value = size
        self._do(function, context, output, byref(length), data, len(data))
        return output.raw[: length.value]

    def _written(self, function: str, value: Any) -> bytes:
        pointer = c_void_p()
        size = self._do(function, value, byref(pointer))
        try:
            return ctypes.string_at(pointer, size)
        finally:
            self._functions["CRYPTO_free"](pointer, b"", 0)

    def _read(self, function: str, der: bytes) -> Any:
        buffer = ctypes.create_string_buffer(der, len(der))
        pointer = c_void_p(ctypes.addressof(buffer))
        return self._do(function, None, byref(pointer), len(der))

    @contextmanager
    def _private(self, pkcs8: bytes) -> Iterator[Any]:
        key = self._read("d2i_AutoPrivateKey", pkcs8)
        try:
            yield key
        finally:
            self._functions["EVP_PKEY_free"](key)

    @contextmanager
    def _public(self, spki: bytes) -> Iterator[Any]:
        key = self._read("d2i_PUBKEY", spki)
        try:
            yield key
        finally:
            self._functions["EVP_PKEY_free"](key)

    @contextmanager
    def _context(self, function: str, *arguments: Any) -> Iterator[Any]:
        context = self._do(function, *arguments)
        try:
            yield context
        finally:
            self._functions["EVP_PKEY_CTX_free"](context)

    @contextmanager
    def _operation(self, function: str, key: Any) -> Iterator[Any]:
        with self._context("EVP_PKEY_CTX_new_from_pkey", None, key, None) as context:
            self._do(function, context)
            yield context

    @contextmanager
    def _digest(self, function: str, key: Any, identifier: bytes) -> Iterator[Any]:
        with self._context("EVP_PKEY_CTX_new_from_pkey", None, key, None) as context:
            self._do("EVP_PKEY_CTX_set1_id", context, identifier, len(identifier))
            digest = self._do("EVP_MD_CTX_new")
            try:
                self._functions["EVP_MD_CTX_set_pkey_ctx"](digest, context)
                self._do(function, digest, None, _SM3, None, None, key, None)
                yield digest
            finally:
                self._functions["EVP_MD_CTX_free"](digest)


@cache
def library() -> Library:
    """The libcrypto of this system, loaded once. Raises UnsupportedError."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Library(named)
    refusals = []
    for name in _NAMES:
        try:
            return Library(name)
        except UnsupportedError as error:
            refusals.append(error)
    raise refusals[-1]
