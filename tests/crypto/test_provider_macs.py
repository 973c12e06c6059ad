"""MACs, and random bytes, on every provider: published vectors, and what must be refused."""

from __future__ import annotations

import pytest

from kmsd.crypto.errors import InvalidParametersError
from kmsd.crypto.provider import Provider
from kmsd.domain.usage import Purpose
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import HashingAlgorithm, KeyFormatType, ObjectType
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import as_the_token_can, generated, stored

SP800_38A = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")

# RFC 2202 §3, test cases 2 and 6; RFC 4231 §4.3 and §4.7; RFC 4493 §4.
JEFE = (b"Jefe", b"what do ya want for nothing?")
LONG = b"Test Using Larger Than Block-Size Key - Hash Key First"
LONGER = (bytes([0xAA]) * 131, LONG)
MACS = [
    (Algorithm.HMAC_SHA1, *JEFE, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (Algorithm.HMAC_SHA224, *JEFE, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
    (Algorithm.HMAC_SHA256, *JEFE, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (
        Algorithm.HMAC_SHA384,
        *JEFE,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    ),
    (
        Algorithm.HMAC_SHA512,
        *JEFE,
        (
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        ),
    ),
    (Algorithm.HMAC_SHA1, bytes([0xAA]) * 80, LONG, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    (Algorithm.HMAC_SHA224, *LONGER, "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e"),
    (Algorithm.HMAC_SHA256, *LONGER, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    (
        Algorithm.HMAC_SHA384,
        *LONGER,
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
    ),
    (
        Algorithm.HMAC_SHA512,
        *LONGER,
        (
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
            "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
        ),
    ),
    (Algorithm.AES, SP800_38A, b"", "bb1d6929e95937287fa37d129b756746"),
    (
        Algorithm.AES,
        SP800_38A,
        bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"),
        "070a16b46b4d4144f79bdd9dd04a287c",
    ),
]


@pytest.mark.parametrize(("algorithm", "key", "data", "value"), MACS)
def test_published_macs(provider: Provider, algorithm: Algorithm, key: bytes, data: bytes, value: str) -> None:
    if algorithm not in provider.capabilities.macs:
        pytest.skip(f"no {algorithm.name} here")
    stored_key = stored(provider, algorithm, key)
    generate, check = (stored_key.use(purpose) for purpose in (Purpose.MAC_GENERATE, Purpose.MAC_VERIFY))
    mac = bytes.fromhex(value)
    with as_the_token_can(provider):  # some take no short keys
        assert provider.mac(generate, data) == mac
    assert provider.mac_verify(check, data, mac)
    assert not provider.mac_verify(check, data + b"\0", mac)
    for broken in (mac[:-1], mac[:-1] + bytes([mac[-1] ^ 1]), mac + b"\0", b""):
        assert not provider.mac_verify(check, data, broken)


def test_an_aes_key_does_the_hmac_that_the_parameters_name(provider: Provider) -> None:
    # The value of the OASIS cases CS-AC-M-4 to CS-AC-M-6.
    if Algorithm.HMAC_SHA256 not in provider.capabilities.macs:
        pytest.skip("no HMAC here")
    key = stored(provider, Algorithm.AES, bytes.fromhex("0123456789abcdef0123456789abcdef"))
    data = bytes.fromhex("01020304050607080910111213141516")
    expected = "c911e78196d64c30f631bb079ea37b97a95936d4da764d6a171df030c895ecf9"
    for parameters in (
        Parameters(cryptographic_algorithm=Algorithm.HMAC_SHA256),
        Parameters(hashing_algorithm=HashingAlgorithm.SHA_256),
    ):
        with as_the_token_can(provider):
            assert provider.mac(key.use(Purpose.MAC_GENERATE, parameters), data).hex() == expected


def test_an_hmac_key_works_with_its_own_hash_only(provider: Provider) -> None:
    key = generated(provider, Algorithm.HMAC_SHA256, 256)
    use = key.use(Purpose.MAC_GENERATE, Parameters(hashing_algorithm=HashingAlgorithm.SHA_512))
    with pytest.raises(InvalidParametersError):
        provider.mac(use, b"data")


def test_a_key_without_a_mac_algorithm_makes_none(software: Provider) -> None:
    secret = stored(software, None, b"a password", ObjectType.SECRET_DATA, KeyFormatType.OPAQUE)
    with pytest.raises(InvalidParametersError):
        software.mac(secret.use(Purpose.MAC_GENERATE), b"data")


def test_random_bytes_have_the_length_and_differ(provider: Provider) -> None:
    assert len(provider.random(1024)) == 1024
    assert provider.random(0) == b""
    assert provider.random(32) != provider.random(32)
