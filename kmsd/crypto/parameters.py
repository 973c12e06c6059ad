"""Which scheme a request means: Cryptographic Parameters of the request, of the key, or a default.

KMIP 1.4 §3.6, §4.29-4.34; KMIP 2.1 §4.13 (attribute), §6.1. `resolve` chooses the structure, before the
permit is made; the `..._scheme` functions turn it into exactly what a provider has to do. All are pure, all
raise InvalidParametersError for what contradicts itself and UnsupportedError for what no provider here
offers. Symmetric encryption is in kmsd.crypto.ciphers.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from kmsd.crypto.ciphers import DEFAULT_MODES
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.sm2 import DEFAULT_IDENTIFIER, LONGEST_IDENTIFIER
from kmsd.domain.usage import Purpose
from protocol import vendor
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    MaskGenerator,
    PaddingMethod,
)
from protocol.structures import CryptographicParameters

RSA = frozenset({CryptographicAlgorithm.RSA})
EC = frozenset({CryptographicAlgorithm.EC, CryptographicAlgorithm.ECDSA, CryptographicAlgorithm.ECDH})

HMACS: dict[CryptographicAlgorithm, HashingAlgorithm] = {
    CryptographicAlgorithm.HMAC_SHA1: HashingAlgorithm.SHA_1,
    CryptographicAlgorithm.HMAC_SHA224: HashingAlgorithm.SHA_224,
    CryptographicAlgorithm.HMAC_SHA256: HashingAlgorithm.SHA_256,
    CryptographicAlgorithm.HMAC_SHA384: HashingAlgorithm.SHA_384,
    CryptographicAlgorithm.HMAC_SHA512: HashingAlgorithm.SHA_512,
    CryptographicAlgorithm.HMAC_SHA3_224: HashingAlgorithm.SHA3_224,
    CryptographicAlgorithm.HMAC_SHA3_256: HashingAlgorithm.SHA3_256,
    CryptographicAlgorithm.HMAC_SHA3_384: HashingAlgorithm.SHA3_384,
    CryptographicAlgorithm.HMAC_SHA3_512: HashingAlgorithm.SHA3_512,
    vendor.HMAC_SM3: vendor.SM3,
}

DIGEST_SIZES: dict[HashingAlgorithm, int] = {
    HashingAlgorithm.SHA_1: 20,
    HashingAlgorithm.SHA_224: 28,
    HashingAlgorithm.SHA_256: 32,
    HashingAlgorithm.SHA_384: 48,
    HashingAlgorithm.SHA_512: 64,
    HashingAlgorithm.SHA3_224: 28,
    HashingAlgorithm.SHA3_256: 32,
    HashingAlgorithm.SHA3_384: 48,
    HashingAlgorithm.SHA3_512: 64,
    vendor.SM3: 32,
}
"""Bytes of the digests that are offered."""


# --- resolve

_EMPTY = CryptographicParameters()
_FIELDS = tuple(field.name for field in dataclasses.fields(CryptographicParameters))

# Clients do send Encrypt without any parameters, for keys that have none. The specification would have that
# fail; kmsd does the safe thing instead: authenticated encryption under an IV that the server chooses and
# returns.
_DEFAULT_CIPHERS = {
    algorithm: CryptographicParameters(block_cipher_mode=mode, random_iv=True, tag_length=16)
    for algorithm, mode in DEFAULT_MODES.items()
}
_DEFAULT_WRAP = CryptographicParameters(block_cipher_mode=BlockCipherMode.NIST_KEY_WRAP)
_DEFAULT_OAEP = CryptographicParameters(
    padding_method=PaddingMethod.OAEP,
    hashing_algorithm=HashingAlgorithm.SHA_256,
    mask_generator=MaskGenerator.MGF1,
    mask_generator_hashing_algorithm=HashingAlgorithm.SHA_256,
)


def resolve(
    purpose: Purpose,
    algorithm: CryptographicAlgorithm | None,
    request: CryptographicParameters | None,
    attribute: CryptographicParameters | None,
) -> CryptographicParameters:
    """The parameters of a use: the request's, else the key's (its first instance), else the default.

    KMIP 1.4 §4.29: "If omitted then the Cryptographic Parameters associated with the Managed Cryptographic
    Object with the lowest Attribute Index SHALL be used". The specification does not say what a request with
    some fields means: the key's structure fills in what the request leaves out as long as no field of the two
    differs.
    """
    chosen = _merge(request, attribute)
    if purpose in (Purpose.WRAP, Purpose.UNWRAP) and chosen.block_cipher_mode is None and chosen.padding_method is None:
        return _filled(chosen, _DEFAULT_OAEP if algorithm in RSA else _DEFAULT_WRAP)
    if purpose in (Purpose.ENCRYPT, Purpose.DECRYPT) and chosen.block_cipher_mode is None:
        if algorithm is None:
            return chosen
        if algorithm in RSA:
            return chosen if chosen.padding_method is not None else _filled(chosen, _DEFAULT_OAEP)
        if algorithm in _DEFAULT_CIPHERS:
            if chosen.padding_method not in (None, PaddingMethod.NONE):
                raise InvalidParametersError("a Padding Method needs a Block Cipher Mode")
            return _filled(chosen, _DEFAULT_CIPHERS[algorithm])
    return chosen


def _merge(
    request: CryptographicParameters | None, attribute: CryptographicParameters | None
) -> CryptographicParameters:
    if request is None:
        return attribute if attribute is not None else _EMPTY
    if attribute is None or attribute == request:
        return request
    missing = {}
    for name in _FIELDS:
        theirs = getattr(attribute, name)
        if theirs is None:
            continue
        asked = getattr(request, name)
        if asked is None:
            missing[name] = theirs
        elif asked != theirs:
            return request
    return dataclasses.replace(request, **missing)


def _filled(chosen: CryptographicParameters, default: CryptographicParameters) -> CryptographicParameters:
    given = {name: value for name in _FIELDS if (value := getattr(chosen, name)) is not None}
    return dataclasses.replace(default, **given) if given else default


# --- asymmetric encryption


class RsaScheme(NamedTuple):
    """RSA encryption: OAEP, or PKCS1_V1_5 where the other fields have no meaning."""

    padding: PaddingMethod
    hashing: HashingAlgorithm
    mask_hashing: HashingAlgorithm
    label: bytes


def rsa_scheme(parameters: CryptographicParameters) -> RsaScheme:
    """Encrypt and Decrypt with RSA (RFC 8017 §7).

    KMIP 1.4 §3.6: Mask Generator Hashing Algorithm, "if omitted defaults to SHA-1", whatever the Hashing
    Algorithm is; P Source, "if omitted, defaults to an empty byte string". An omitted Hashing Algorithm is
    SHA-1 too, the default of RFC 8017 §A.2.1.
    """
    padding = parameters.padding_method or PaddingMethod.OAEP
    if padding not in (PaddingMethod.OAEP, PaddingMethod.PKCS1_V1_5):
        raise UnsupportedError(f"Padding Method {padding.name} is not supported for RSA encryption")
    return RsaScheme(
        padding,
        _with_rsa(_offered(parameters.hashing_algorithm or HashingAlgorithm.SHA_1)),
        _mask_hashing(parameters) or HashingAlgorithm.SHA_1,
        parameters.p_source or b"",
    )


def _offered(hashing: HashingAlgorithm) -> HashingAlgorithm:
    if hashing not in DIGEST_SIZES:
        raise UnsupportedError(f"Hashing Algorithm {hashing.name} is not supported")
    return hashing


def _with_rsa(hashing: HashingAlgorithm) -> HashingAlgorithm:
    if hashing == vendor.SM3:
        raise UnsupportedError("SM3 is not supported with RSA keys")
    return hashing


def sm2_writes_der(parameters: CryptographicParameters) -> bool:
    """Encrypt and Decrypt with SM2: whether ciphertexts are written as SM2Cipher, or as C1 || C3 || C2.

    The Padding Method says it; omitted it is the latter. Both forms are read.
    """
    _sm2_only(parameters)
    padding = parameters.padding_method
    if padding not in (None, PaddingMethod.NONE, vendor.SM2_C1C3C2, vendor.SM2_DER):
        raise UnsupportedError(f"Padding Method {padding.name} is not supported for SM2 encryption")
    return padding == vendor.SM2_DER


def _sm2_only(parameters: CryptographicParameters) -> None:
    if parameters.cryptographic_algorithm not in (None, CryptographicAlgorithm.SM2):
        raise InvalidParametersError("the Cryptographic Algorithm is not the key's")
    if parameters.hashing_algorithm not in (None, vendor.SM3):
        raise InvalidParametersError("SM2 takes the Hashing Algorithm SM3")


def _mask_hashing(parameters: CryptographicParameters) -> HashingAlgorithm | None:
    if parameters.mask_generator not in (None, MaskGenerator.MGF1):
        raise UnsupportedError("the Mask Generator is not supported")
    mask = parameters.mask_generator_hashing_algorithm
    return None if mask is None else _with_rsa(_offered(mask))


# --- signatures


class SignatureScheme(NamedTuple):
    """A signature: `padding` is PKCS1_V1_5 or PSS for RSA, None for all others."""

    padding: PaddingMethod | None
    hashing: HashingAlgorithm | None
    """None: the client's digest is signed as it came, without a DigestInfo; or the algorithm hashes by itself."""
    mask_hashing: HashingAlgorithm | None
    salt_length: int | None
    """Bytes. None: the digest's length when signing, whatever it is when verifying."""
    low_s: bool = False
    """ECDSA: s is made at most half of the order, and a larger one does not verify."""
    identifier: bytes = b""
    """SM2: of the signer."""


_PKCS1 = PaddingMethod.PKCS1_V1_5
_SIGNATURES: dict[DigitalSignatureAlgorithm, tuple[PaddingMethod | None, HashingAlgorithm | None]] = {
    DigitalSignatureAlgorithm.SHA_1_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA_1),
    DigitalSignatureAlgorithm.SHA_224_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA_224),
    DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA_256),
    DigitalSignatureAlgorithm.SHA_384_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA_384),
    DigitalSignatureAlgorithm.SHA_512_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA_512),
    DigitalSignatureAlgorithm.SHA3_256_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA3_256),
    DigitalSignatureAlgorithm.SHA3_384_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA3_384),
    DigitalSignatureAlgorithm.SHA3_512_WITH_RSA_ENCRYPTION: (_PKCS1, HashingAlgorithm.SHA3_512),
    DigitalSignatureAlgorithm.RSASSA_PSS: (PaddingMethod.PSS, None),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA_1: (None, HashingAlgorithm.SHA_1),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA224: (None, HashingAlgorithm.SHA_224),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA256: (None, HashingAlgorithm.SHA_256),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA384: (None, HashingAlgorithm.SHA_384),
    DigitalSignatureAlgorithm.ECDSA_WITH_SHA512: (None, HashingAlgorithm.SHA_512),
    vendor.ECDSA_LOW_S_WITH_SHA256: (None, HashingAlgorithm.SHA_256),
}
SIGNATURE_ALGORITHMS = frozenset(_SIGNATURES)
_HASH_BY_SIZE = {32: HashingAlgorithm.SHA_256, 48: HashingAlgorithm.SHA_384, 64: HashingAlgorithm.SHA_512}


def signature_scheme(
    parameters: CryptographicParameters,
    algorithm: CryptographicAlgorithm | None,
    length: int,
    digested: bytes | None,
) -> SignatureScheme:
    """Sign and Signature Verify with a key of this algorithm and length in bits.

    - KMIP 1.4 §3.6: "either the Digital Signature Algorithm can be specified or the Cryptographic Algorithm
      and Hashing Algorithm combination": RSA and a hash with no Padding Method is PKCS#1 v1.5.
    - An omitted Hashing Algorithm is SHA-256, for ECDSA the SHA-2 that fits the curve. With Digested Data it
      is the SHA-2 of that length; a digest of another length is signed as it is, as the OASIS cases
      TC-RSA-SIGN-DIGESTEDDATA and TC-ECDSA-SIGN-DIGESTEDDATA ask.
    - PSS: the text has an omitted mask hash be SHA-1 and an omitted Salt Length be a "block size", but the
      signature in the OASIS case CS-AC-M-2 verifies only with the mask hash equal to the Hashing Algorithm
      and a salt of maximal length. So the mask hash follows the Hashing Algorithm (as HSMs and TLS want it),
      a signature is made with a salt as long as the digest, and any salt length is verified.
    """
    if algorithm in WHOLE_SIGNATURES:
        return _whole_scheme(parameters, algorithm, digested)
    rsa = algorithm in RSA
    if not rsa and algorithm not in EC:
        raise InvalidParametersError("the key does not sign")
    if parameters.cryptographic_algorithm is not None and parameters.cryptographic_algorithm not in (
        RSA if rsa else EC
    ):
        raise InvalidParametersError("the Cryptographic Algorithm is not the key's")
    padding, hashing = parameters.padding_method, parameters.hashing_algorithm
    if parameters.digital_signature_algorithm is not None:
        padding, hashing = _named(parameters.digital_signature_algorithm, rsa, padding, hashing)
    if rsa:
        padding = padding or _PKCS1
        if padding not in (_PKCS1, PaddingMethod.PSS):
            raise UnsupportedError(f"Padding Method {padding.name} is not supported for RSA signatures")
    elif padding not in (None, PaddingMethod.NONE):
        raise InvalidParametersError("ECDSA takes no Padding Method")
    if hashing is None:
        hashing = _default_hashing(rsa, length, digested)
        if hashing is None and padding == PaddingMethod.PSS:
            raise InvalidParametersError("PSS needs a Hashing Algorithm")
    else:
        hashing = _with_rsa(_offered(hashing)) if rsa else _offered(hashing)
        if digested is not None and len(digested) != DIGEST_SIZES[hashing]:
            raise InvalidParametersError("the Digested Data does not have the length of the Hashing Algorithm")
    if not rsa:
        low_s = parameters.digital_signature_algorithm == vendor.ECDSA_LOW_S_WITH_SHA256
        return SignatureScheme(None, hashing, None, None, low_s)
    if padding == _PKCS1:
        return SignatureScheme(_PKCS1, hashing, None, None)
    if parameters.trailer_field not in (None, 1):
        raise UnsupportedError("the Trailer Field is not supported")
    salt = parameters.salt_length
    if salt is not None and salt < 0:
        raise InvalidParametersError("the Salt Length is negative")
    return SignatureScheme(PaddingMethod.PSS, hashing, _mask_hashing(parameters) or hashing, salt)


WHOLE_SIGNATURES = frozenset(
    {
        CryptographicAlgorithm.SM2,
        CryptographicAlgorithm.ED25519,
        vendor.ML_DSA_44,
        vendor.ML_DSA_65,
        vendor.ML_DSA_87,
    }
)
"""Signatures that hash the data by themselves, with the key or the signature's own numbers in front of it."""


def _whole_scheme(
    parameters: CryptographicParameters, algorithm: CryptographicAlgorithm | None, digested: bytes | None
) -> SignatureScheme:
    """The algorithm says it all: RFC 8032 (pure Ed25519), FIPS 204 (pure ML-DSA, empty context), and GB/T 32918.2.

    SM2 takes the signer's identifier as the P Source, and as Digested Data e = SM3(Z || M).
    """
    if parameters.padding_method not in (None, PaddingMethod.NONE):
        raise InvalidParametersError("this signature takes no Padding Method")
    named = parameters.digital_signature_algorithm
    if algorithm == CryptographicAlgorithm.SM2:
        _sm2_only(parameters)
        if named not in (None, vendor.SM2_WITH_SM3):
            raise InvalidParametersError("the Digital Signature Algorithm is not for this key")
        if digested is not None and len(digested) != DIGEST_SIZES[vendor.SM3]:
            raise InvalidParametersError("the Digested Data does not have the length of the Hashing Algorithm")
        identifier = DEFAULT_IDENTIFIER if parameters.p_source is None else parameters.p_source
        if len(identifier) > LONGEST_IDENTIFIER:
            raise InvalidParametersError(f"the signer's identifier has {LONGEST_IDENTIFIER} bytes at most")
        return SignatureScheme(None, None, None, None, identifier=identifier)
    if named is not None or parameters.hashing_algorithm is not None:
        raise InvalidParametersError("this signature takes neither hash nor Digital Signature Algorithm")
    if parameters.cryptographic_algorithm not in (None, algorithm):
        raise InvalidParametersError("the Cryptographic Algorithm is not the key's")
    if digested is not None:
        raise InvalidParametersError("this signature is made of the data itself, not of a digest")
    return SignatureScheme(None, None, None, None)


def _named(
    name: DigitalSignatureAlgorithm,
    rsa: bool,
    padding: PaddingMethod | None,
    hashing: HashingAlgorithm | None,
) -> tuple[PaddingMethod | None, HashingAlgorithm | None]:
    row = _SIGNATURES.get(name)
    if row is None:
        raise UnsupportedError(f"Digital Signature Algorithm {name.name} is not supported")
    named_padding, named_hashing = row
    if (named_padding is not None) != rsa:
        raise InvalidParametersError("the Digital Signature Algorithm is not for this key")
    if named_hashing is not None and hashing not in (None, named_hashing):
        raise InvalidParametersError("the Hashing Algorithm is not the Digital Signature Algorithm's")
    if rsa and padding not in (None, named_padding):
        raise InvalidParametersError("the Padding Method is not the Digital Signature Algorithm's")
    return named_padding, named_hashing or hashing


def _default_hashing(rsa: bool, length: int, digested: bytes | None) -> HashingAlgorithm | None:
    if digested is not None:
        return _HASH_BY_SIZE.get(len(digested))
    if rsa or length <= 256:
        return HashingAlgorithm.SHA_256
    return HashingAlgorithm.SHA_384 if length <= 384 else HashingAlgorithm.SHA_512


# --- MACs


def mac_scheme(
    parameters: CryptographicParameters, algorithm: CryptographicAlgorithm | None
) -> HashingAlgorithm | None:
    """MAC and MAC Verify: the hash of an HMAC, or None for AES-CMAC.

    An HMAC key works with its own hash only. Any other symmetric key does the HMAC that the parameters name,
    by Cryptographic Algorithm (HMAC-SHA256 on an AES key is what the OASIS cases CS-AC-M-4 to 6 do) or by
    Hashing Algorithm; an AES key without either does CMAC (NIST SP 800-38B).
    """
    own = None if algorithm is None else HMACS.get(algorithm)
    asked = parameters.cryptographic_algorithm
    hashing = parameters.hashing_algorithm
    if asked is not None and asked in HMACS:
        if hashing not in (None, HMACS[asked]):
            raise InvalidParametersError("the Hashing Algorithm is not the MAC's")
        hashing = HMACS[asked]
    elif asked is not None and asked != algorithm:
        raise UnsupportedError(f"a MAC with {asked.name} is not supported")
    if own is not None:
        if hashing not in (None, own):
            raise InvalidParametersError("the key is for another MAC")
        return own
    if hashing is not None:
        return _offered(hashing)
    if algorithm == CryptographicAlgorithm.AES and parameters.block_cipher_mode in (
        None,
        BlockCipherMode.CMAC,
    ):
        return None
    raise InvalidParametersError("the MAC's algorithm is missing")
