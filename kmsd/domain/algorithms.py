"""What is true of an algorithm's keys wherever they live: lengths in bits, curves, and which come in pairs."""

from __future__ import annotations

from protocol import vendor
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import RecommendedCurve

EC_ALGORITHMS = frozenset({Algorithm.EC, Algorithm.ECDSA, Algorithm.ECDH})
"""Algorithms whose keys are on a curve that has to be named."""

FIXED_LENGTHS: dict[Algorithm, int] = {
    Algorithm.SM2: 256,
    Algorithm.ED25519: 256,
    vendor.ML_KEM_768: 8 * 1184,
    vendor.ML_KEM_1024: 8 * 1568,
    vendor.ML_DSA_44: 8 * 1312,
    vendor.ML_DSA_65: 8 * 1952,
    vendor.ML_DSA_87: 8 * 2592,
}
"""Key pairs of one length only: that of the field, and for lattices that of the encoded public key (FIPS 203 table 3,
FIPS 204 table 2), since KMIP wants bits of a key and these have no field."""

DECRYPTING = frozenset({Algorithm.DES3})
"""Algorithms that decrypt what is old, and encrypt only where a tenant says so: NIST SP 800-131A disallows 3DES for
encryption since 2024."""

IMPLIED_CURVES: dict[Algorithm, RecommendedCurve] = {
    Algorithm.SM2: vendor.SM2P256V1,
    Algorithm.ED25519: RecommendedCurve.CURVE25519,
}
"""The curve that an algorithm has by itself; a client may name it."""

PAIRS = EC_ALGORITHMS | {Algorithm.RSA, *FIXED_LENGTHS}
"""Algorithms whose keys come in pairs."""

CURVE_LENGTHS: dict[RecommendedCurve, int] = {
    RecommendedCurve.P_256: 256,
    RecommendedCurve.P_384: 384,
    RecommendedCurve.P_521: 521,
    RecommendedCurve.SECP256K1: 256,
    RecommendedCurve.CURVE25519: 256,
}
"""Bits of the field, which is the Cryptographic Length of an EC key; 256 for X25519, whose keys are 32 bytes."""

CURVE_BY_LENGTH: dict[int, RecommendedCurve] = {
    CURVE_LENGTHS[curve]: curve for curve in (RecommendedCurve.P_256, RecommendedCurve.P_384, RecommendedCurve.P_521)
}
"""What a length alone means: the NIST curves, no other of the same length."""

DEFAULT_LENGTHS: dict[Algorithm, int] = {
    Algorithm.AES: 256,
    Algorithm.SM4: 128,
    Algorithm.CHACHA20: 256,
    Algorithm.CHACHA20_POLY1305: 256,
    Algorithm.HMAC_SHA1: 160,
    Algorithm.HMAC_SHA224: 224,
    Algorithm.HMAC_SHA256: 256,
    Algorithm.HMAC_SHA384: 384,
    Algorithm.HMAC_SHA512: 512,
    vendor.HMAC_SM3: 256,
}
"""Bits, for a Create that names no Cryptographic Length; HMAC keys are as long as the hash (RFC 2104 §3)."""
