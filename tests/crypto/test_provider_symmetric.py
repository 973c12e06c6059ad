"""AES and NIST key wrap, on every provider: published vectors, and what must be refused."""

from __future__ import annotations

import pytest

from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from kmsd.crypto.provider import Provider
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ObjectType, PaddingMethod
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import Key, as_the_token_can, generated, needs_mode, reference, stored

ENCRYPT, DECRYPT = Purpose.ENCRYPT, Purpose.DECRYPT
SP800_38A = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
COUNTING = bytes(range(16))

# FIPS 197 Appendix C (ECB), NIST SP 800-38A F.2.1, F.2.5 and F.5.1 (first block).
BLOCKS = [
    (
        Mode.ECB,
        bytes(range(16)),
        None,
        "00112233445566778899aabbccddeeff",
        "69c4e0d86a7b0430d8cdb78070b4c55a",
    ),
    (
        Mode.ECB,
        bytes(range(24)),
        None,
        "00112233445566778899aabbccddeeff",
        "dda97ca4864cdfe06eaf70a0ec0d7191",
    ),
    (
        Mode.ECB,
        bytes(range(32)),
        None,
        "00112233445566778899aabbccddeeff",
        "8ea2b7ca516745bfeafc49904b496089",
    ),
    (Mode.CBC, SP800_38A, COUNTING, "6bc1bee22e409f96e93d7e117393172a", "7649abac8119b246cee98e9b12e9197d"),
    (
        Mode.CTR,
        SP800_38A,
        bytes(range(0xF0, 0x100)),
        "6bc1bee22e409f96e93d7e117393172a",
        "874d6191b620e3261bef6864990db6ce",
    ),
]


@pytest.mark.parametrize(
    ("mode", "key", "iv", "plaintext", "ciphertext"), BLOCKS, ids=["ecb-128", "ecb-192", "ecb-256", "cbc", "ctr"]
)
def test_published_blocks(
    provider: Provider, mode: Mode, key: bytes, iv: bytes | None, plaintext: str, ciphertext: str
) -> None:
    needs_mode(provider, mode)
    aes = stored(provider, Algorithm.AES, key)
    parameters = Parameters(block_cipher_mode=mode)
    made = provider.encrypt(aes.use(ENCRYPT, parameters), bytes.fromhex(plaintext), iv, None)
    assert (made.data.hex(), made.iv, made.tag) == (ciphertext, None, None)
    assert provider.decrypt(aes.use(DECRYPT, parameters), made.data, iv, None, None).hex() == plaintext


# McGrew and Viega, The Galois/Counter Mode of Operation, test case 4.
GCM_KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308")
GCM_IV = bytes.fromhex("cafebabefacedbaddecaf888")
GCM_AAD = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
GCM_PLAINTEXT = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
GCM_CIPHERTEXT = bytes.fromhex(
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
    "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
)
GCM_TAG = bytes.fromhex("5bc94fbc3221a5db94fae95ae7121a47")


@pytest.mark.parametrize("size", [12, 13, 14, 15, 16])
def test_gcm_gives_the_published_text_and_tag_at_every_tag_length(provider: Provider, size: int) -> None:
    needs_mode(provider, Mode.GCM)
    aes = stored(provider, Algorithm.AES, GCM_KEY)
    parameters = Parameters(block_cipher_mode=Mode.GCM, tag_length=size)
    made = provider.encrypt(aes.use(ENCRYPT, parameters), GCM_PLAINTEXT, GCM_IV, GCM_AAD)
    assert (made.data, made.iv, made.tag) == (GCM_CIPHERTEXT, None, GCM_TAG[:size])
    use = aes.use(DECRYPT, parameters)
    assert provider.decrypt(use, GCM_CIPHERTEXT, GCM_IV, GCM_AAD, GCM_TAG[:size]) == GCM_PLAINTEXT


def test_an_omitted_tag_length_is_16_bytes(provider: Provider) -> None:
    needs_mode(provider, Mode.GCM)
    aes = generated(provider, Algorithm.AES, 256)
    made = provider.encrypt(aes.use(ENCRYPT, Parameters(block_cipher_mode=Mode.GCM)), b"x", GCM_IV, None)
    assert made.tag is not None
    assert len(made.tag) == 16


@pytest.mark.parametrize("size", [12, 16])
@pytest.mark.parametrize("part", ["data", "iv", "aad", "tag"])
def test_gcm_opens_nothing_that_was_changed(provider: Provider, part: str, size: int) -> None:
    needs_mode(provider, Mode.GCM)
    aes = stored(provider, Algorithm.AES, GCM_KEY)
    parts = {"data": GCM_CIPHERTEXT, "iv": GCM_IV, "aad": GCM_AAD, "tag": GCM_TAG[:size]}
    parts[part] = bytes([parts[part][0] ^ 1]) + parts[part][1:]
    use = aes.use(DECRYPT, Parameters(block_cipher_mode=Mode.GCM, tag_length=size))
    with pytest.raises(CryptographicFailureError):
        provider.decrypt(use, **parts)


@pytest.mark.parametrize("size", [0, 1, 4, 11, 17, 32])
def test_gcm_tag_lengths_outside_12_to_16_are_refused(provider: Provider, size: int) -> None:
    needs_mode(provider, Mode.GCM)
    aes = generated(provider, Algorithm.AES, 128)
    parameters = Parameters(block_cipher_mode=Mode.GCM, tag_length=size)
    with pytest.raises(InvalidParametersError):
        provider.encrypt(aes.use(ENCRYPT, parameters), b"data", GCM_IV, None)
    with pytest.raises(InvalidParametersError):
        provider.decrypt(aes.use(DECRYPT, parameters), b"data", GCM_IV, None, bytes(size))


@pytest.mark.parametrize("tag", [None, GCM_TAG[:12], GCM_TAG + b"\0"])
def test_gcm_wants_a_tag_of_the_tag_length(provider: Provider, tag: bytes | None) -> None:
    needs_mode(provider, Mode.GCM)
    aes = stored(provider, Algorithm.AES, GCM_KEY)
    use = aes.use(DECRYPT, Parameters(block_cipher_mode=Mode.GCM))
    with pytest.raises(InvalidParametersError):
        provider.decrypt(use, GCM_CIPHERTEXT, GCM_IV, GCM_AAD, tag)


@pytest.mark.parametrize(("mode", "size"), [(Mode.CBC, 16), (Mode.CTR, 16), (Mode.GCM, 12)])
def test_an_iv_that_is_not_sent_is_chosen_and_returned(provider: Provider, mode: Mode, size: int) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 256)
    for parameters in (
        Parameters(block_cipher_mode=mode),
        Parameters(block_cipher_mode=mode, random_iv=True),
    ):
        first, second = (provider.encrypt(aes.use(ENCRYPT, parameters), bytes(32), None, None) for _ in range(2))
        assert first.iv is not None
        assert len(first.iv) == size
        assert first.iv != second.iv
        assert first.data != second.data
        use = aes.use(DECRYPT, parameters)
        assert provider.decrypt(use, first.data, first.iv, None, first.tag) == bytes(32)


@pytest.mark.parametrize("mode", [Mode.CBC, Mode.CTR, Mode.GCM])
def test_an_iv_is_not_chosen_against_the_clients_word(provider: Provider, mode: Mode) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 256)
    use = aes.use(ENCRYPT, Parameters(block_cipher_mode=mode, random_iv=False))
    with pytest.raises(InvalidParametersError):
        provider.encrypt(use, bytes(16), None, None)


@pytest.mark.parametrize("mode", [Mode.CBC, Mode.CTR, Mode.GCM])
def test_decryption_needs_the_iv(provider: Provider, mode: Mode) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 256)
    with pytest.raises(InvalidParametersError):
        provider.decrypt(aes.use(DECRYPT, Parameters(block_cipher_mode=mode)), bytes(16), None, None, None)


@pytest.mark.parametrize(
    ("mode", "iv"),
    [(Mode.CBC, 8), (Mode.CBC, 17), (Mode.CTR, 12), (Mode.GCM, 0), (Mode.GCM, 7), (Mode.ECB, 16)],
)
def test_an_iv_of_the_wrong_length_is_refused(provider: Provider, mode: Mode, iv: int) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 256)
    use = aes.use(ENCRYPT, Parameters(block_cipher_mode=mode))
    with pytest.raises(InvalidParametersError):
        provider.encrypt(use, bytes(16), bytes(iv), None)


def test_encrypt_without_any_parameters_is_gcm_under_a_fresh_iv(provider: Provider) -> None:
    needs_mode(provider, Mode.GCM)
    aes = generated(provider, Algorithm.AES, 256)
    made = provider.encrypt(aes.use(ENCRYPT), b"some data", None, b"context")
    assert made.iv is not None
    assert made.tag is not None
    assert provider.decrypt(aes.use(DECRYPT), made.data, made.iv, b"context", made.tag) == b"some data"


@pytest.mark.parametrize("padding", [PaddingMethod.PKCS5, PaddingMethod.ANSI_X9_23])
@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC])
def test_padded_data_of_any_length_comes_back(provider: Provider, mode: Mode, padding: PaddingMethod) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 128)
    iv = COUNTING if mode == Mode.CBC else None
    parameters = Parameters(block_cipher_mode=mode, padding_method=padding)
    for size in (0, 1, 15, 16, 17, 1024):
        data = bytes(range(256)) * 4
        made = provider.encrypt(aes.use(ENCRYPT, parameters), data[:size], iv, None)
        assert len(made.data) == size // 16 * 16 + 16
        assert provider.decrypt(aes.use(DECRYPT, parameters), made.data, iv, None, None) == data[:size]


def test_bad_padding_is_a_cryptographic_failure(provider: Provider) -> None:
    needs_mode(provider, Mode.ECB)
    aes = generated(provider, Algorithm.AES, 128)
    plain = Parameters(block_cipher_mode=Mode.ECB)
    padded = Parameters(block_cipher_mode=Mode.ECB, padding_method=PaddingMethod.PKCS5)
    unpadded = provider.encrypt(aes.use(ENCRYPT, plain), bytes(16), None, None)
    with pytest.raises(CryptographicFailureError):
        provider.decrypt(aes.use(DECRYPT, padded), unpadded.data, None, None, None)


@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC])
def test_without_padding_only_whole_blocks_are_taken(provider: Provider, mode: Mode) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 128)
    iv = COUNTING if mode == Mode.CBC else None
    parameters = Parameters(block_cipher_mode=mode)
    with pytest.raises(InvalidParametersError):
        provider.encrypt(aes.use(ENCRYPT, parameters), bytes(17), iv, None)
    with pytest.raises(InvalidParametersError):
        provider.decrypt(aes.use(DECRYPT, parameters), bytes(17), iv, None, None)


@pytest.mark.parametrize("mode", [Mode.ECB, Mode.CBC, Mode.CTR])
def test_modes_that_do_not_authenticate_take_no_additional_data(provider: Provider, mode: Mode) -> None:
    needs_mode(provider, mode)
    aes = generated(provider, Algorithm.AES, 128)
    iv = None if mode == Mode.ECB else COUNTING
    with pytest.raises(InvalidParametersError):
        provider.encrypt(aes.use(ENCRYPT, Parameters(block_cipher_mode=mode)), bytes(16), iv, b"context")


@pytest.mark.parametrize("mode", [Mode.PCBC, Mode.CBC_MAC, Mode.X9_102_AKW1])
def test_modes_that_are_not_offered_are_refused(provider: Provider, mode: Mode) -> None:
    aes = generated(provider, Algorithm.AES, 128)
    with pytest.raises(UnsupportedError):
        provider.encrypt(aes.use(ENCRYPT, Parameters(block_cipher_mode=mode)), bytes(16), None, None)


def test_generated_keys_differ(provider: Provider) -> None:
    first, second = (generated(provider, Algorithm.AES, 256, uid) for uid in ("key-1", "key-2"))
    ecb = Parameters(block_cipher_mode=Mode.ECB)
    assert (
        provider.encrypt(first.use(ENCRYPT, ecb), bytes(16), None, None).data
        != provider.encrypt(second.use(ENCRYPT, ecb), bytes(16), None, None).data
    )
    assert first.new.length == 256


@pytest.mark.parametrize("length", [0, 64, 129, 320, 1024])
def test_aes_keys_of_other_lengths_are_not_generated(provider: Provider, length: int) -> None:
    with pytest.raises(UnsupportedError):
        provider.generate(reference(ObjectType.SYMMETRIC_KEY, Algorithm.AES, length))


# NIST SP 800-38F: RFC 3394 §4.1 and §4.6; RFC 5649 §6.
KW, KWP = Mode.NIST_KEY_WRAP, Mode.AES_KEY_WRAP_PADDING
RFC_5649 = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
WRAPS = [
    (
        KW,
        bytes(range(16)),
        "00112233445566778899aabbccddeeff",
        "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
    ),
    (
        KW,
        bytes(range(32)),
        "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
        "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
    ),
    (
        KWP,
        RFC_5649,
        "c37b7e6492584340bed12207808941155068f738",
        "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
    ),
    (KWP, RFC_5649, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
]


WRAP_IDS = ["kw-16", "kw-32", "kwp-20", "kwp-7"]


def _kek(provider: Provider, mode: Mode, key: bytes) -> Key:
    needs_mode(provider, mode)
    return stored(provider, Algorithm.AES, key)


@pytest.mark.parametrize(("mode", "key", "plaintext", "wrapped"), WRAPS, ids=WRAP_IDS)
def test_published_key_wraps(provider: Provider, mode: Mode, key: bytes, plaintext: str, wrapped: str) -> None:
    kek = _kek(provider, mode, key)
    parameters = Parameters(block_cipher_mode=mode)
    with as_the_token_can(provider):  # some pad nothing but what is a multiple of 8 bytes already
        assert provider.wrap(kek.use(Purpose.WRAP, parameters), bytes.fromhex(plaintext)).data.hex() == wrapped
    assert provider.unwrap(kek.use(Purpose.UNWRAP, parameters), bytes.fromhex(wrapped)).hex() == plaintext


@pytest.mark.parametrize(("mode", "key", "plaintext", "wrapped"), WRAPS, ids=WRAP_IDS)
def test_a_changed_wrapped_key_is_a_cryptographic_failure(
    provider: Provider, mode: Mode, key: bytes, plaintext: str, wrapped: str
) -> None:
    use = _kek(provider, mode, key).use(Purpose.UNWRAP, Parameters(block_cipher_mode=mode))
    whole = bytes.fromhex(wrapped)
    for broken in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-8], whole[:-1], b"", whole[:8]):
        with pytest.raises(CryptographicFailureError):
            provider.unwrap(use, broken)


@pytest.mark.parametrize("size", [0, 8, 17])
def test_plain_key_wrap_takes_whole_half_blocks_only(provider: Provider, size: int) -> None:
    kek = _kek(provider, KW, bytes(range(16)))
    with pytest.raises(InvalidParametersError):
        provider.wrap(kek.use(Purpose.WRAP, Parameters(block_cipher_mode=KW)), bytes(size))
