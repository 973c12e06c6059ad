"""Each derivation method against published vectors or an independent implementation, and what each refuses."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, KBKDFHMAC, CounterLocation, Mode

from kmsd.crypto import asymmetric, derivation
from kmsd.crypto.derivation import derive
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from kmsd.crypto.provider import Derivation
from protocol.enums import BlockCipherMode, CryptographicAlgorithm, DerivationMethod, HashingAlgorithm
from protocol.structures import CryptographicParameters

Method = DerivationMethod
AES = CryptographicAlgorithm.AES
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
LABEL, CONTEXT = b"label", b"context"
SHA_256 = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)
NO_PARAMETERS = CryptographicParameters()


def wanted(method: Method, length: int, parameters: CryptographicParameters = NO_PARAMETERS, **more: Any) -> Derivation:
    return Derivation(method=method, length=length, parameters=parameters, **more)


@pytest.mark.parametrize(
    ("iterations", "length", "expected"),
    [
        (1, 20, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        (2, 20, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        (4096, 20, "4b007901b765489abead49d926f721d065a429c1"),
    ],
)
def test_pbkdf2_as_in_rfc_6070(iterations: int, length: int, expected: str) -> None:
    derived = derive(b"password", None, wanted(Method.PBKDF2, length, salt=b"salt", iterations=iterations))
    assert derived.hex() == expected


def test_hkdf_as_in_rfc_5869() -> None:
    case = wanted(
        Method.HKDF,
        42,
        salt=bytes.fromhex("000102030405060708090a0b0c"),
        data=(bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"),),
    )
    assert derive(b"\x0b" * 22, None, case).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    sha_1 = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_1)
    bare = wanted(Method.HKDF, 42, sha_1)
    assert derive(b"\x0c" * 22, None, bare).hex() == (
        "2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48"
    )


def test_aws_signature_version_4_as_amazon_documents_it() -> None:
    case = wanted(Method.AWS_SIGNATURE_VERSION4, 32, data=(b"20120215", b"us-east-1", b"iam"))
    assert derive(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, case).hex() == (
        "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
    )


def test_hash_and_hmac() -> None:
    assert derive(KEY, AES, wanted(Method.HASH, 16, SHA_256)) == hashlib.sha256(KEY).digest()[:16]
    expected = hmac.digest(KEY, b"data", "sha256")
    assert derive(KEY, AES, wanted(Method.HMAC, 32, SHA_256, data=(b"data",))) == expected
    # "If a key is derived using HMAC [...] the Cryptographic Parameters are ignored".
    own = derive(KEY, CryptographicAlgorithm.HMAC_SHA512, wanted(Method.HMAC, 64, SHA_256, data=(b"data",)))
    assert own == hmac.digest(KEY, b"data", "sha512")


def test_encrypt_is_reproducible() -> None:
    ecb = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)
    # FIPS 197, appendix C.1.
    key, plaintext = bytes(range(16)), KEY
    case = wanted(Method.ENCRYPT, 16, ecb, data=(plaintext,))
    assert derive(key, AES, case).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    cbc = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC)
    case = wanted(Method.ENCRYPT, 16, cbc, data=(plaintext,), iv=bytes(16))
    assert derive(key, AES, case).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    with pytest.raises(InvalidParametersError, match="Initialization Vector"):
        derive(key, AES, wanted(Method.ENCRYPT, 16, cbc, data=(plaintext,)))
    gcm = CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM)
    assert len(derive(key, AES, wanted(Method.ENCRYPT, 16, gcm, data=(plaintext,), iv=bytes(12)))) == 16


@pytest.mark.parametrize("length", [1, 16, 32, 33, 100])
def test_counter_mode_is_that_of_another_implementation(length: int) -> None:
    fixed = LABEL + b"\0" + CONTEXT
    with_hmac = KBKDFHMAC(
        hashes.SHA256(), Mode.CounterMode, length, 4, None, CounterLocation.BeforeFixed, None, None, fixed
    )
    assert derive(KEY, AES, wanted(Method.NIST800_108_C, length, SHA_256, data=(fixed,))) == with_hmac.derive(KEY)
    with_cmac = KBKDFCMAC(
        algorithms.AES, Mode.CounterMode, length, 4, None, CounterLocation.BeforeFixed, None, None, fixed
    )
    assert derive(KEY, AES, wanted(Method.NIST800_108_C, length, data=(fixed,))) == with_cmac.derive(KEY)


def test_feedback_mode_is_that_of_openssl() -> None:
    # `openssl kdf ... mode:FEEDBACK ... KBKDF`, whose fixed input ends in the length in bits.
    def fixed(length: int) -> bytes:
        return LABEL + b"\0" + CONTEXT + (length * 8).to_bytes(4, "big")

    case = wanted(Method.NIST800_108_F, 72, SHA_256, data=(fixed(72),), iv=b"\xaa" * 32)
    assert derive(KEY, AES, case).hex() == FEEDBACK_HMAC
    case = wanted(Method.NIST800_108_F, 40, data=(fixed(40),), iv=b"\xbb" * 16)
    assert derive(KEY, AES, case).hex() == FEEDBACK_CMAC


FEEDBACK_HMAC = (
    "d0cc74d473ba782605ee5f1d9954dc2d83a48f9d91470a37fe0cbc922b9fae81636380b2"
    "4e050be1ea0bb0f9c973b9a61a5bfe8fa8cf4793088b583bf9aa3c57deeb58faed1b69dd"
)
FEEDBACK_CMAC = "10d315d6a23ff3951f77ef11bde9ffa2553b7f148ed33c1506b03b04459d35618d1d1974772dad77"


def test_double_pipeline_mode_is_its_definition() -> None:
    def prf(data: bytes) -> bytes:
        return hmac.digest(KEY, data, "sha256")

    first = prf(b"fixed")
    second = prf(first)
    expected = prf(first + b"\0\0\0\1fixed") + prf(second + b"\0\0\0\2fixed")
    assert derive(KEY, AES, wanted(Method.NIST800_108_DPI, 50, SHA_256, data=(b"fixed",))) == expected[:50]


def test_key_agreement_gives_both_sides_the_same() -> None:
    ours, theirs = (ec.generate_private_key(ec.SECP256K1()) for _ in range(2))
    ecdh = CryptographicParameters(cryptographic_algorithm=CryptographicAlgorithm.ECDH)
    results = {
        derive(
            asymmetric.pkcs8(private),
            CryptographicAlgorithm.EC,
            wanted(Method.ASYMMETRIC_KEY, 32, ecdh, peer=asymmetric.spki(public.public_key())),
        )
        for private, public in ((ours, theirs), (theirs, ours))
    }
    assert results == {ours.exchange(ec.ECDH(), theirs.public_key())}


def test_key_agreement_refuses_keys_that_do_not_agree() -> None:
    private = asymmetric.pkcs8(ec.generate_private_key(ec.SECP256R1()))
    other_curve = asymmetric.spki(ec.generate_private_key(ec.SECP384R1()).public_key())
    no_curve = asymmetric.spki(rsa.generate_private_key(65537, 2048).public_key())
    for peer in (other_curve, no_curve, None):
        with pytest.raises(InvalidParametersError):
            derive(private, CryptographicAlgorithm.EC, wanted(Method.ASYMMETRIC_KEY, 32, peer=peer))
    diffie = CryptographicParameters(cryptographic_algorithm=CryptographicAlgorithm.DH)
    with pytest.raises(UnsupportedError):
        derive(private, CryptographicAlgorithm.EC, wanted(Method.ASYMMETRIC_KEY, 32, diffie, peer=other_curve))


@pytest.mark.parametrize(
    "case",
    [
        wanted(Method.HASH, 33, SHA_256),
        wanted(Method.HMAC, 33, SHA_256, data=(b"d",)),
        wanted(Method.ENCRYPT, 17, CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB), data=(KEY,)),
        wanted(Method.AWS_SIGNATURE_VERSION4, 33, data=(b"a", b"b", b"c")),
        wanted(Method.HKDF, 255 * 32 + 1),
    ],
    ids=lambda case: case.method.name,
)
def test_more_than_the_method_gives_is_a_failure(case: Derivation) -> None:
    with pytest.raises(CryptographicFailureError):
        derive(KEY, AES, case)


@pytest.mark.parametrize(
    "case",
    [
        wanted(Method.HASH, 16),
        wanted(Method.HASH, 16, SHA_256, data=(b"d",)),
        wanted(Method.HMAC, 16, data=(b"d",)),
        wanted(Method.HMAC, 16, SHA_256),
        wanted(Method.HMAC, 16, SHA_256, data=(b"d", b"e")),
        wanted(Method.ENCRYPT, 16, data=(KEY,)),
        wanted(Method.PBKDF2, 16, iterations=1),
        wanted(Method.PBKDF2, 16, salt=b"s"),
        wanted(Method.PBKDF2, 16, salt=b"s", iterations=0),
        wanted(Method.PBKDF2, 16, salt=b"s", iterations=derivation.MAXIMUM_WORK + 1),
        wanted(Method.PBKDF2, 16, salt=b"s", iterations=1, data=(b"d",)),
        wanted(Method.AWS_SIGNATURE_VERSION4, 32, data=(b"d",)),
        wanted(Method.NIST800_108_C, 32, SHA_256),
        wanted(Method.HKDF, 0),
        wanted(Method.HKDF, derivation.MAXIMUM_LENGTH + 1),
    ],
    ids=lambda case: case.method.name,
)
def test_parameters_that_make_no_sense_are_refused(case: Derivation) -> None:
    with pytest.raises(InvalidParametersError):
        derive(KEY, AES, case)


def test_what_is_not_offered_is_refused_as_that() -> None:
    tiger = CryptographicParameters(hashing_algorithm=HashingAlgorithm.TIGER)
    for case in (
        wanted(Method(0x80000001), 16),
        wanted(Method.HASH, 16, tiger),
        wanted(Method.PBKDF2, 16, tiger, salt=b"s", iterations=1),
    ):
        with pytest.raises(UnsupportedError):
            derive(KEY, AES, case)
    ecb = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)
    with pytest.raises(UnsupportedError):
        derive(KEY, None, wanted(Method.ENCRYPT, 16, ecb, data=(KEY,)))


def test_slow_derivations_are_told_from_short_ones() -> None:
    assert wanted(Method.HMAC, 32, SHA_256, data=(bytes(16),)).work < 64 * 1024
    assert wanted(Method.PBKDF2, 16, salt=b"s", iterations=600_000).work > 64 * 1024
    assert "secret" not in repr(wanted(Method.HMAC, 32, data=(b"secret",)))
