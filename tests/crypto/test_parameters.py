"""Which scheme a request means."""

from __future__ import annotations

import pytest

from kmsd.crypto import parameters
from kmsd.crypto.ciphers import cipher_scheme, wrap_mode
from kmsd.crypto.errors import InvalidParametersError, UnsupportedError
from kmsd.crypto.hashes import HASHES, digest
from kmsd.crypto.parameters import mac_scheme, resolve, rsa_scheme, signature_scheme
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import DigitalSignatureAlgorithm as Signature
from protocol.enums import HashingAlgorithm as Hashing
from protocol.enums import MaskGenerator, PaddingMethod
from protocol.structures import CryptographicParameters as Parameters

ENCRYPT, SIGN, WRAP = Purpose.ENCRYPT, Purpose.SIGN, Purpose.WRAP
CBC = Parameters(block_cipher_mode=Mode.CBC, padding_method=PaddingMethod.PKCS5, random_iv=True)


def test_the_keys_parameters_hold_where_the_request_has_none() -> None:
    assert resolve(ENCRYPT, Algorithm.AES, None, CBC) == CBC


@pytest.mark.parametrize(
    "request_",
    [
        Parameters(block_cipher_mode=Mode.GCM, tag_length=12),
        Parameters(block_cipher_mode=Mode.CBC, padding_method=PaddingMethod.NONE),
    ],
)
def test_a_request_that_differs_from_the_key_stands_alone(request_: Parameters) -> None:
    assert resolve(ENCRYPT, Algorithm.AES, request_, CBC) == request_


@pytest.mark.parametrize(
    "request_",
    [
        Parameters(),
        Parameters(cryptographic_algorithm=Algorithm.AES),
        Parameters(block_cipher_mode=Mode.CBC),
        Parameters(random_iv=True),
    ],
)
def test_the_key_fills_in_what_the_request_leaves_out(request_: Parameters) -> None:
    resolved = resolve(ENCRYPT, Algorithm.AES, request_, CBC)
    assert (resolved.block_cipher_mode, resolved.padding_method) == (Mode.CBC, PaddingMethod.PKCS5)
    assert resolved.random_iv is True
    assert resolved.cryptographic_algorithm == request_.cryptographic_algorithm


@pytest.mark.parametrize("request_", [None, Parameters(), Parameters(cryptographic_algorithm=Algorithm.AES)])
def test_without_any_mode_aes_is_gcm(request_: Parameters | None) -> None:
    resolved = resolve(ENCRYPT, Algorithm.AES, request_, None)
    assert (resolved.block_cipher_mode, resolved.tag_length, resolved.random_iv) == (Mode.GCM, 16, True)


def test_a_padding_without_a_mode_is_not_guessed_at() -> None:
    with pytest.raises(InvalidParametersError):
        resolve(ENCRYPT, Algorithm.AES, Parameters(padding_method=PaddingMethod.PKCS5), None)


@pytest.mark.parametrize("purpose", [ENCRYPT, Purpose.DECRYPT, WRAP, Purpose.UNWRAP])
def test_without_any_padding_rsa_is_oaep_with_sha_256(purpose: Purpose) -> None:
    resolved = resolve(purpose, Algorithm.RSA, None, None)
    assert rsa_scheme(resolved) == (PaddingMethod.OAEP, Hashing.SHA_256, Hashing.SHA_256, b"")


def test_without_any_mode_a_key_wraps_as_rfc_3394() -> None:
    for purpose in (WRAP, Purpose.UNWRAP):
        assert wrap_mode(resolve(purpose, Algorithm.AES, None, None)) == Mode.NIST_KEY_WRAP
    with pytest.raises(UnsupportedError):
        wrap_mode(resolve(WRAP, Algorithm.AES, CBC, None))


def test_an_omitted_mask_hash_of_oaep_is_sha_1() -> None:
    scheme = rsa_scheme(Parameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hashing.SHA_384))
    assert (scheme.hashing, scheme.mask_hashing) == (Hashing.SHA_384, Hashing.SHA_1)


def test_an_omitted_mask_hash_of_pss_is_the_hash() -> None:
    asked = Parameters(padding_method=PaddingMethod.PSS, hashing_algorithm=Hashing.SHA_384)
    assert tuple(signature_scheme(asked, Algorithm.RSA, 2048, None))[:4] == (
        PaddingMethod.PSS,
        Hashing.SHA_384,
        Hashing.SHA_384,
        None,
    )


@pytest.mark.parametrize(
    ("named", "algorithm"),
    [
        (Signature.SHA_256_WITH_RSA_ENCRYPTION, Algorithm.EC),
        (Signature.ECDSA_WITH_SHA256, Algorithm.RSA),
        (Signature.RSASSA_PSS, Algorithm.ECDSA),
    ],
)
def test_a_signature_algorithm_of_another_kind_of_key_is_refused(named: Signature, algorithm: Algorithm) -> None:
    with pytest.raises(InvalidParametersError):
        signature_scheme(Parameters(digital_signature_algorithm=named), algorithm, 256, None)


@pytest.mark.parametrize(
    "contradiction",
    [
        Parameters(digital_signature_algorithm=Signature.SHA_256_WITH_RSA_ENCRYPTION, hashing_algorithm=Hashing.SHA_1),
        Parameters(digital_signature_algorithm=Signature.SHA_256_WITH_RSA_ENCRYPTION, padding_method=PaddingMethod.PSS),
        Parameters(cryptographic_algorithm=Algorithm.ECDSA),
        Parameters(padding_method=PaddingMethod.PSS, salt_length=-1),
    ],
)
def test_contradictions_are_refused(contradiction: Parameters) -> None:
    with pytest.raises(InvalidParametersError):
        signature_scheme(contradiction, Algorithm.RSA, 2048, None)


@pytest.mark.parametrize(
    "asked",
    [
        Parameters(hashing_algorithm=Hashing.MD5),
        Parameters(digital_signature_algorithm=Signature.MD5_WITH_RSA_ENCRYPTION),
        Parameters(padding_method=PaddingMethod.X9_31),
        Parameters(padding_method=PaddingMethod.PSS, trailer_field=2),
        Parameters(padding_method=PaddingMethod.PSS, mask_generator=MaskGenerator(0x80000001)),
    ],
)
def test_what_is_not_offered_is_unsupported(asked: Parameters) -> None:
    with pytest.raises(UnsupportedError):
        signature_scheme(asked, Algorithm.RSA, 2048, None)


def test_a_digest_of_another_length_than_the_hash_is_refused() -> None:
    with pytest.raises(InvalidParametersError):
        signature_scheme(Parameters(hashing_algorithm=Hashing.SHA_256), Algorithm.RSA, 2048, bytes(20))


def test_an_unregistered_mode_or_hash_is_unsupported() -> None:
    with pytest.raises(UnsupportedError):
        cipher_scheme(Parameters(block_cipher_mode=Mode(0x80000001)), Algorithm.AES)
    with pytest.raises(UnsupportedError):
        mac_scheme(Parameters(hashing_algorithm=Hashing(0x8000FFFF)), Algorithm.AES)


def test_a_mac_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        mac_scheme(Parameters(cryptographic_algorithm=Algorithm.RSA), Algorithm.AES)
    with pytest.raises(InvalidParametersError):
        mac_scheme(
            Parameters(cryptographic_algorithm=Algorithm.HMAC_SHA1, hashing_algorithm=Hashing.SHA_256),
            Algorithm.AES,
        )
    with pytest.raises(InvalidParametersError):
        mac_scheme(Parameters(), Algorithm.RSA)
    with pytest.raises(InvalidParametersError):
        mac_scheme(Parameters(cryptographic_algorithm=Algorithm.HMAC_SHA1), Algorithm.HMAC_SHA256)


def test_the_tables_of_hashes_agree() -> None:
    assert {name: function.digest_size for name, function in HASHES.items()} == parameters.DIGEST_SIZES
    assert set(parameters.HMACS.values()) == set(HASHES)


# FIPS 180-4 and FIPS 202, the examples of "abc".
@pytest.mark.parametrize(
    ("hashing", "value"),
    [
        (Hashing.SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Hashing.SHA_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Hashing.SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ],
)
def test_published_digests(hashing: Hashing, value: str) -> None:
    assert digest(hashing, b"abc").hex() == value


def test_a_hash_that_is_not_offered_is_unsupported() -> None:
    for hashing in (Hashing.MD5, Hashing.TIGER, Hashing(0x8000FFFF)):
        with pytest.raises(UnsupportedError):
            digest(hashing, b"abc")
