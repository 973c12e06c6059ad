"""Keys out of keys: the derivation methods of KMIP 1.4 §4.6 and KMIP 2.1 §7.12, §11.14, on plain bytes.

What the specification leaves open is settled here:

- NIST SP 800-108: Derivation Data is the fixed input of the function as it stands, after a 32-bit counter (all three
  modes) and, in feedback mode, the Initialization Vector as K(0). A client that wants the length of the output among
  the fixed input, as SP 800-108 §4 describes it, appends it.
- ENCRYPT takes its IV from the Initialization Vector; none is made up, since nobody could derive the key again.
- Key agreement gives the shared secret itself: ECDH's x-coordinate (NIST SP 800-56A §5.7.1.2) or that of X25519
  (RFC 7748 §6.1), no function over it.
- Output is cut to the length that is asked for, from the left. Asking for more than the method gives is a failure.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from kmsd.crypto import asymmetric, hashes, symmetric
from kmsd.crypto.ciphers import AES_BLOCK, cipher_scheme
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from kmsd.crypto.parameters import HMACS, mac_scheme
from kmsd.crypto.provider import Derivation
from protocol.enums import CryptographicAlgorithm, DerivationMethod, HashingAlgorithm

MAXIMUM_WORK = 4_000_000
"""Iterations times blocks of one PBKDF2: some seconds of one thread."""

MAXIMUM_LENGTH = 64 * 1024
"""Bytes of one derived object."""

_COUNTER = 4
"""Bytes of the counter of NIST SP 800-108."""

_AWS_END = b"aws4_request"


def derive(key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """`wanted.length` bytes derived from `key`, the bytes of a symmetric key or of Secret Data, or a PKCS#8 key.

    Raises InvalidParametersError, UnsupportedError, and CryptographicFailureError where the method does not give so
    many bytes.
    """
    method = _METHODS.get(wanted.method)
    if method is None:
        raise UnsupportedError("the Derivation Method is not supported")
    if not 0 < wanted.length <= MAXIMUM_LENGTH:
        raise InvalidParametersError(f"the length of what is derived is 1 to {MAXIMUM_LENGTH} bytes")
    derived = method(key, algorithm, wanted)
    if len(derived) < wanted.length:
        raise CryptographicFailureError()
    return derived[: wanted.length]


def _data(wanted: Derivation) -> bytes:
    if len(wanted.data) != 1:
        raise InvalidParametersError("this Derivation Method takes one piece of Derivation Data")
    return wanted.data[0]


def _hash_or(wanted: Derivation, default: HashingAlgorithm | None) -> HashingAlgorithm:
    chosen = wanted.parameters.hashing_algorithm or default
    if chosen is None:
        raise InvalidParametersError("the Hashing Algorithm is missing")
    if chosen not in hashes.HASHES:
        raise UnsupportedError(f"Hashing Algorithm {chosen.name} is not supported")
    return chosen


def _pbkdf2(key: bytes, _: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """RFC 8018 §5.2 over the password that the key is; HMAC-SHA1 unless a hash is named, as there."""
    if wanted.data:
        raise InvalidParametersError("PBKDF2 takes its password from the object alone")
    if not wanted.salt:
        raise InvalidParametersError("the Salt is missing")
    iterations = wanted.iterations
    if iterations is None or iterations < 1:
        raise InvalidParametersError("the Iteration Count is missing")
    function = hashes.HASHES[_hash_or(wanted, HashingAlgorithm.SHA_1)]
    if iterations * -(-wanted.length // function.digest_size) > MAXIMUM_WORK:
        raise InvalidParametersError("the Iteration Count is too high")
    return PBKDF2HMAC(function, wanted.length, wanted.salt, iterations).derive(key)


def _hash(key: bytes, _: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """The digest of the key."""
    if wanted.data:
        raise InvalidParametersError("HASH takes a key or data, not both")
    return hashes.digest(_hash_or(wanted, None), key)


def _hmac(key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """The HMAC of the data. An HMAC key says by itself which: "the Cryptographic Parameters are ignored"."""
    own = HMACS.get(algorithm) if algorithm is not None else None
    return symmetric.mac(key, own or _hash_or(wanted, None), _data(wanted))


def _encrypt(key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """The data encrypted in the named Block Cipher Mode, without an authentication tag."""
    if algorithm not in (CryptographicAlgorithm.AES, CryptographicAlgorithm.SM4):
        raise UnsupportedError("keys of this algorithm do not encrypt here")
    scheme = cipher_scheme(wanted.parameters, algorithm)
    if scheme.iv_length and not wanted.iv:
        raise InvalidParametersError("the Initialization Vector is missing")
    return symmetric.encrypt(key, scheme, _data(wanted), wanted.iv or b"", None).data


def _prf(
    key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation
) -> tuple[Callable[[bytes], bytes], int]:
    """The pseudorandom function of NIST SP 800-108, and the number of its blocks: HMAC, or CMAC of an AES key."""
    hashing = mac_scheme(wanted.parameters, algorithm)
    size = AES_BLOCK if hashing is None else hashes.HASHES[hashing].digest_size
    return lambda data: symmetric.mac(key, hashing, data), -(-wanted.length // size)


def _counter_mode(key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """NIST SP 800-108r1 §4.1."""
    prf, blocks = _prf(key, algorithm, wanted)
    fixed = _data(wanted)
    return b"".join(prf(number.to_bytes(_COUNTER, "big") + fixed) for number in range(1, blocks + 1))


def _feedback_mode(key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """NIST SP 800-108r1 §4.2, with the counter."""
    prf, blocks = _prf(key, algorithm, wanted)
    fixed, block, output = _data(wanted), wanted.iv or b"", b""
    for number in range(1, blocks + 1):
        block = prf(block + number.to_bytes(_COUNTER, "big") + fixed)
        output += block
    return output


def _double_pipeline_mode(key: bytes, algorithm: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """NIST SP 800-108r1 §4.3, with the counter."""
    prf, blocks = _prf(key, algorithm, wanted)
    fixed = first = _data(wanted)
    output = b""
    for number in range(1, blocks + 1):
        first = prf(first)
        output += prf(first + number.to_bytes(_COUNTER, "big") + fixed)
    return output


def _key_agreement(key: bytes, _: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    if wanted.peer is None or wanted.data:
        raise InvalidParametersError("key agreement takes a private key, a public key and no Derivation Data")
    asked = wanted.parameters.cryptographic_algorithm
    if asked not in (None, CryptographicAlgorithm.ECDH, CryptographicAlgorithm.EC):
        raise UnsupportedError("key agreement is ECDH")
    private, public = asymmetric.load_private(key, trusted=True), asymmetric.load_public(wanted.peer)
    if isinstance(private, x25519.X25519PrivateKey) and isinstance(public, x25519.X25519PublicKey):
        try:
            return private.exchange(public)
        except ValueError:  # RFC 7748 §6.1: a point of small order gives zeros
            raise CryptographicFailureError() from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(public, ec.EllipticCurvePublicKey):
        raise InvalidParametersError("ECDH takes elliptic curve keys, both of one kind")
    if private.curve.name != public.curve.name:
        raise InvalidParametersError("the two keys are on different curves")
    return private.exchange(ec.ECDH(), public)


def _aws_signature(key: bytes, _: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """The signing key of AWS Signature Version 4: HMAC-SHA256 over Date, Region and Service in turn."""
    if len(wanted.data) != 3:
        raise InvalidParametersError("the Derivation Data is Date, Region and Service, in this order")
    value = b"AWS4" + key
    for part in (*wanted.data, _AWS_END):
        value = hmac.digest(value, part, "sha256")
    return value


def _hkdf(key: bytes, _: CryptographicAlgorithm | None, wanted: Derivation) -> bytes:
    """RFC 5869; "the default hash function is SHA-256" (KMIP 2.1 §7.12)."""
    function = hashes.HASHES[_hash_or(wanted, HashingAlgorithm.SHA_256)]
    if wanted.length > 255 * function.digest_size:
        raise CryptographicFailureError()
    information = _data(wanted) if wanted.data else b""
    return HKDF(function, wanted.length, wanted.salt, information).derive(key)


_METHODS: dict[DerivationMethod, Callable[[bytes, CryptographicAlgorithm | None, Derivation], bytes]] = {
    DerivationMethod.PBKDF2: _pbkdf2,
    DerivationMethod.HASH: _hash,
    DerivationMethod.HMAC: _hmac,
    DerivationMethod.ENCRYPT: _encrypt,
    DerivationMethod.NIST800_108_C: _counter_mode,
    DerivationMethod.NIST800_108_F: _feedback_mode,
    DerivationMethod.NIST800_108_DPI: _double_pipeline_mode,
    DerivationMethod.ASYMMETRIC_KEY: _key_agreement,
    DerivationMethod.AWS_SIGNATURE_VERSION4: _aws_signature,
    DerivationMethod.HKDF: _hkdf,
}
