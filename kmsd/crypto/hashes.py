"""The hash functions that are offered, as `cryptography` objects. They hold no state and may be shared."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes

from kmsd.crypto.errors import UnsupportedError
from protocol import vendor
from protocol.enums import HashingAlgorithm

HASHES: dict[HashingAlgorithm, hashes.HashAlgorithm] = {
    HashingAlgorithm.SHA_1: hashes.SHA1(),  # noqa: S303 -- HMAC-SHA1 and old signatures are in use
    HashingAlgorithm.SHA_224: hashes.SHA224(),
    HashingAlgorithm.SHA_256: hashes.SHA256(),
    HashingAlgorithm.SHA_384: hashes.SHA384(),
    HashingAlgorithm.SHA_512: hashes.SHA512(),
    HashingAlgorithm.SHA3_224: hashes.SHA3_224(),
    HashingAlgorithm.SHA3_256: hashes.SHA3_256(),
    HashingAlgorithm.SHA3_384: hashes.SHA3_384(),
    HashingAlgorithm.SHA3_512: hashes.SHA3_512(),
    vendor.SM3: hashes.SM3(),
}
"""Rows as in kmsd.crypto.parameters.DIGEST_SIZES."""


def digest(algorithm: HashingAlgorithm, data: bytes) -> bytes:
    """The digest of `data`. Raises UnsupportedError for a hash that is not offered."""
    row = HASHES.get(algorithm)
    if row is None:
        raise UnsupportedError(f"Hashing Algorithm {algorithm.name} is not supported")
    function = hashes.Hash(row)
    function.update(data)
    return function.finalize()
