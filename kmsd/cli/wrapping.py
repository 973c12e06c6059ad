"""Key material on its way to the server: read from a file, and wrapped under the public key that the server gave."""

from __future__ import annotations

import os

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as paddings
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)

from kmsd.domain.transport import Inner, Transport
from protocol.enums import HashingAlgorithm, PaddingMethod

_HASHES: dict[HashingAlgorithm, hashes.HashAlgorithm] = {
    HashingAlgorithm.SHA_1: hashes.SHA1(),  # noqa: S303 -- OAEP does not need a hash without collisions
    HashingAlgorithm.SHA_256: hashes.SHA256(),
}


def der(file: bytes) -> bytes:
    """PKCS#8 of a private key in PEM; anything else as it stands. Raises UsageError for a key under a password."""
    if b"-----BEGIN" not in file:
        return file
    try:
        key = load_pem_private_key(file, None)
    except (ValueError, TypeError) as error:
        raise click.UsageError("this is no private key, or it is encrypted") from error
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def wrapped(spki: bytes, transport: Transport, plain: bytes) -> bytes:
    """The material under the public key. Raises UsageError where it does not fit."""
    public = load_der_public_key(spki)
    if not isinstance(public, rsa.RSAPublicKey):
        raise click.UsageError("this command wraps under RSA keys only")
    hashing = transport.parameters.hashing_algorithm
    scheme: padding.AsymmetricPadding
    if transport.parameters.padding_method == PaddingMethod.OAEP and hashing is not None:
        scheme = padding.OAEP(padding.MGF1(_HASHES[hashing]), _HASHES[hashing], None)
    else:
        scheme = padding.PKCS1v15()
    try:
        if transport.inner is None:
            return public.encrypt(plain, scheme)
        key = os.urandom(32)
        return public.encrypt(key, scheme) + _inner(transport.inner, key, plain)
    except ValueError as error:
        raise click.UsageError(f"the material does not fit under the key with {transport.name}") from error


def _inner(inner: Inner, key: bytes, plain: bytes) -> bytes:
    if inner is Inner.AES_KEY_WRAP_PADDING:
        return aes_key_wrap_with_padding(key, plain)
    padder = paddings.PKCS7(128).padder()
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 -- the form that was asked for
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
