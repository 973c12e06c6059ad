"""SM3 and SM4: the published examples, a second implementation, and what must be refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.hashes import digest
from kmsd.crypto.provider import Provider
from kmsd.crypto.software import SoftwareProvider
from kmsd.crypto.symmetric import mac
from kmsd.domain.usage import Purpose
from protocol import vendor
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import HashingAlgorithm as Hashing
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import stored

# --- SM3, HMAC-SM3


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # GB/T 32905 Annex A.
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_gives_the_published_digests(data: bytes, expected: str) -> None:
    assert digest(vendor.SM3, data).hex() == expected


@given(st.binary(max_size=100), st.binary(max_size=200))
def test_hmac_sm3_is_rfc_2104_over_sm3(secret: bytes, data: bytes) -> None:
    block = (digest(vendor.SM3, secret) if len(secret) > 64 else secret).ljust(64, b"\0")
    inner = digest(vendor.SM3, bytes(byte ^ 0x36 for byte in block) + data)
    assert mac(secret, vendor.SM3, data) == digest(vendor.SM3, bytes(byte ^ 0x5C for byte in block) + inner)


def test_an_hmac_sm3_key_makes_that_mac_and_no_other(software: SoftwareProvider) -> None:
    made = stored(software, vendor.HMAC_SM3, bytes(range(32)))
    value = software.mac(made.use(Purpose.MAC_GENERATE), b"data")
    assert len(value) == 32
    assert software.mac_verify(made.use(Purpose.MAC_VERIFY), b"data", value)
    assert not software.mac_verify(made.use(Purpose.MAC_VERIFY), b"other", value)
    with pytest.raises(InvalidParametersError):
        software.mac(made.use(Purpose.MAC_GENERATE, Parameters(hashing_algorithm=Hashing.SHA_256)), b"data")


# --- SM4

SM4_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
EIGHT = bytes.fromhex("".join(pair * 8 for pair in ("aa", "bb", "cc", "dd", "ee", "ff")))


# GB/T 32907 Annex A.1; draft-ribose-cfrg-sm4-10 Annex A.2.2.1 and A.2.5.1.
@pytest.mark.parametrize(
    ("mode", "iv", "plaintext", "ciphertext"),
    [
        (Mode.ECB, None, SM4_KEY.hex(), "681edf34d206965e86b3e94f536e4246"),
        (
            Mode.CBC,
            bytes(range(16)),
            "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffaaaaaaaabbbbbbbb",
            "78ebb11cc40b0a48312aaeb2040244cb4cb7016951909226979b0d15dc6a8f6d",
        ),
        (
            Mode.CTR,
            bytes(range(16)),
            (EIGHT + b"\xaa" * 8 + b"\xbb" * 8).hex(),
            (
                "ac3236cb970cc20791364c395a1342d1a3cbc1878c6f30cd074cce385cdd70c7"
                "f234bc0e24c11980fd1286310ce37b926e02fcd0faa0baf38b2933851d824514"
            ),
        ),
    ],
    ids=["ecb", "cbc", "ctr"],
)
def test_sm4_gives_the_published_blocks(
    provider: Provider, mode: Mode, iv: bytes | None, plaintext: str, ciphertext: str
) -> None:
    if (Algorithm.SM4, mode) not in provider.capabilities.cipher_modes:
        pytest.skip("no SM4 here")
    made = stored(provider, Algorithm.SM4, SM4_KEY)
    parameters = Parameters(block_cipher_mode=mode)
    encrypted = provider.encrypt(made.use(Purpose.ENCRYPT, parameters), bytes.fromhex(plaintext), iv, None)
    assert (encrypted.data.hex(), encrypted.iv) == (ciphertext, None)
    assert provider.decrypt(made.use(Purpose.DECRYPT, parameters), encrypted.data, iv, None, None).hex() == plaintext


def test_sm4_gcm_is_that_of_rfc_8998(provider: Provider) -> None:
    if (Algorithm.SM4, Mode.GCM) not in provider.capabilities.cipher_modes:
        pytest.skip("no SM4 here")
    made = stored(provider, Algorithm.SM4, SM4_KEY)
    iv = bytes.fromhex("00001234567800000000abcd")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plaintext = EIGHT + b"\xee" * 8 + b"\xaa" * 8
    for size in (12, 16):
        parameters = Parameters(block_cipher_mode=Mode.GCM, tag_length=size)
        encrypted = provider.encrypt(made.use(Purpose.ENCRYPT, parameters), plaintext, iv, aad)
        assert encrypted.data.hex() == (
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
            "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        )
        assert encrypted.tag == bytes.fromhex("83de3541e4c2b58177e065a9bf7b62ec")[:size]
        use = made.use(Purpose.DECRYPT, parameters)
        assert provider.decrypt(use, encrypted.data, iv, aad, encrypted.tag) == plaintext
        with pytest.raises(CryptographicFailureError):
            provider.decrypt(use, encrypted.data, iv, aad + b"x", encrypted.tag)


def test_an_sm4_key_without_parameters_encrypts_with_gcm(software: SoftwareProvider) -> None:
    made = stored(software, Algorithm.SM4, SM4_KEY)
    encrypted = software.encrypt(made.use(Purpose.ENCRYPT), b"data", None, None)
    assert (len(encrypted.iv or b""), len(encrypted.tag or b"")) == (12, 16)
    assert software.decrypt(made.use(Purpose.DECRYPT), encrypted.data, encrypted.iv, None, encrypted.tag) == b"data"


@pytest.mark.parametrize("mode", [Mode.XTS, Mode.CCM, Mode.OFB])
def test_sm4_is_not_offered_in_other_modes(software: SoftwareProvider, mode: Mode) -> None:
    made = stored(software, Algorithm.SM4, SM4_KEY)
    with pytest.raises(UnsupportedError):
        software.encrypt(made.use(Purpose.ENCRYPT, Parameters(block_cipher_mode=mode)), bytes(16), bytes(16), None)


@pytest.mark.parametrize("size", [15, 17, 32])
def test_an_sm4_key_has_128_bits(software: SoftwareProvider, size: int) -> None:
    with pytest.raises(KeyMaterialError):
        stored(software, Algorithm.SM4, bytes(size))


# --- a second implementation


@given(st.binary(max_size=300))
def test_another_implementation_has_the_same_sm3(data: bytes) -> None:
    other = pytest.importorskip("gmssl_pyx", reason="gmssl-pyx, the second implementation, is not installed")
    assert digest(vendor.SM3, data) == other.sm3_hash(data)
    assert mac(b"some secret key!", vendor.SM3, data) == other.sm3_hmac(b"some secret key!", data)
