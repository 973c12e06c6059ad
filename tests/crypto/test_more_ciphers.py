"""ChaCha20, CCM, XTS, 3DES: published examples, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsd.crypto import symmetric
from kmsd.crypto.ciphers import CIPHERS, WHOLE, CipherScheme, cipher_scheme
from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    TagLengthError,
    UnsupportedError,
)
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.usage import Purpose
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import ObjectType, PaddingMethod
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import generated, stored

ENCRYPT, DECRYPT, SIGN, VERIFY = Purpose.ENCRYPT, Purpose.DECRYPT, Purpose.SIGN, Purpose.VERIFY
PRIVATE, PUBLIC = ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY
DATA = b"some data"

LADIES = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)


def hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text)


# --- ciphers

CHACHA_KEY = bytes(range(32))
# Algorithm, parameters, key, IV, additional data, plaintext, what the ciphertext starts with, tag.
CIPHER_EXAMPLES: dict[str, tuple[Any, ...]] = {
    "RFC 8439 2.4.2": (
        Algorithm.CHACHA20,
        Parameters(initial_counter_value=1),
        CHACHA_KEY,
        hexadecimal("000000000000004a00000000"),
        None,
        LADIES,
        "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b",
        None,
    ),
    "OASIS CS-BC-M-CHACHA20-3": (
        Algorithm.CHACHA20,
        Parameters(),
        bytes(32),
        hexadecimal("0000000000000001"),
        None,
        bytes(60),
        "de9cba7bf3d69ef5e786dc63973f653a0b49e015adbff7134fcb7df137821031e85a050278a7084527214f73efc7fa5b5277062eb7a0433e445f41e3",
        None,
    ),
    "RFC 8439 2.8.2": (
        Algorithm.CHACHA20_POLY1305,
        Parameters(block_cipher_mode=Mode.AEAD, tag_length=16),
        bytes(range(0x80, 0xA0)),
        hexadecimal("070000004041424344454647"),
        hexadecimal("50515253c0c1c2c3c4c5c6c7"),
        LADIES,
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6",
        "1ae10b594f09e26a7e902ecbd0600691",
    ),
    "SP 800-38C example 3": (
        Algorithm.AES,
        Parameters(block_cipher_mode=Mode.CCM, tag_length=8),
        bytes(range(0x40, 0x50)),
        bytes(range(0x10, 0x1C)),
        bytes(range(0x14)),
        bytes(range(0x20, 0x38)),
        "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5",
        "484392fbc1b09951",
    ),
    "IEEE 1619 vector 2": (
        Algorithm.AES,
        Parameters(block_cipher_mode=Mode.XTS),
        b"\x11" * 16 + b"\x22" * 16,
        hexadecimal("33333333330000000000000000000000"),
        None,
        b"\x44" * 32,
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
        None,
    ),
}


@pytest.mark.parametrize("name", CIPHER_EXAMPLES)
def test_published_ciphertexts(software: SoftwareProvider, name: str) -> None:
    algorithm, parameters, key, iv, aad, plaintext, start, tag = CIPHER_EXAMPLES[name]
    made = stored(software, algorithm, key)
    encrypted = software.encrypt(made.use(ENCRYPT, parameters), plaintext, iv, aad)
    assert encrypted.data.hex().startswith(start)
    assert len(encrypted.data) == len(plaintext)
    assert (encrypted.tag.hex() if encrypted.tag else None) == tag
    use = made.use(DECRYPT, parameters)
    assert software.decrypt(use, encrypted.data, iv, aad, encrypted.tag) == plaintext
    if tag is not None:
        with pytest.raises(CryptographicFailureError):
            software.decrypt(use, encrypted.data, iv, aad + b"x", encrypted.tag)


def test_3des_decrypts_the_published_text_and_encrypts_nothing(software: SoftwareProvider) -> None:
    """NIST SP 800-67 rev. 2 Appendix B.1."""
    made = stored(software, Algorithm.DES3, hexadecimal("0123456789abcdef23456789abcdef01456789abcdef0123"))
    ecb = Parameters(block_cipher_mode=Mode.ECB)
    ciphertext = hexadecimal("a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900")
    assert software.decrypt(made.use(DECRYPT, ecb), ciphertext, None, None, None) == b"The qufck brown fox jump"
    with pytest.raises(UnsupportedError, match="encrypt nothing new"):
        software.encrypt(made.use(ENCRYPT, ecb), bytes(8), None, None)
    with pytest.raises(UnsupportedError, match="encrypt nothing new"):
        software.begin(made.use(ENCRYPT, ecb), None, None)


def test_two_key_3des_is_k1_k2_k1_and_cbc_unpads(software: SoftwareProvider) -> None:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    key = hexadecimal("0123456789abcdeffedcba9876543210")
    encryptor = Cipher(TripleDES(key + key[:8]), modes.CBC(bytes(8))).encryptor()
    ciphertext = encryptor.update(b"old data\x08\x08\x08\x08\x08\x08\x08\x08") + encryptor.finalize()
    made = stored(software, Algorithm.DES3, key, length=112)
    parameters = Parameters(block_cipher_mode=Mode.CBC, padding_method=PaddingMethod.PKCS5)
    assert software.decrypt(made.use(DECRYPT, parameters), ciphertext, bytes(8), None, None) == b"old data"
    stream = software.begin(made.use(DECRYPT, parameters), bytes(8), None)
    assert stream is not None
    assert stream.update(ciphertext[:5]) + stream.finish(ciphertext[5:]).data == b"old data"
    with pytest.raises(InvalidParametersError):
        software.decrypt(made.use(DECRYPT, parameters), ciphertext, bytes(16), None, None)


@pytest.mark.parametrize(("length", "size"), [(112, 16), (128, 16), (168, 24), (192, 24)])
def test_3des_keys_are_made_with_odd_parity(software: SoftwareProvider, length: int, size: int) -> None:
    made = generated(software, Algorithm.DES3, length)
    key = software.export(made.use(Purpose.EXPORT))
    assert (len(key), made.new.length) == (size, length)
    assert all(byte.bit_count() % 2 for byte in key)


CHOICES: list[tuple[Algorithm, Parameters, int]] = [
    (algorithm, Parameters(block_cipher_mode=mode, padding_method=padding), size)
    for algorithm, cipher in CIPHERS.items()
    for mode in cipher.modes or {None}
    for padding in ((PaddingMethod.PKCS5,) if mode in (Mode.ECB, Mode.CBC) else (None,))
    for size in cipher.sizes
    if size <= 256 or mode == Mode.XTS
    if mode != Mode.XTS or size != 128
    if mode != Mode.XTS or size != 192
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CHOICES), st.binary(min_size=16, max_size=100), st.binary(max_size=20), st.data())
def test_every_cipher_reads_what_it_wrote(
    choice: tuple[Algorithm, Parameters, int], text: bytes, aad: bytes, data: st.DataObject
) -> None:
    algorithm, parameters, bits = choice
    scheme = cipher_scheme(parameters, algorithm)
    key = data.draw(st.binary(min_size=bits // 8, max_size=bits // 8))
    if scheme.mode == Mode.XTS and key[: bits // 16] == key[bits // 16 :]:
        key = bytes((key[0] ^ 1,)) + key[1:]
    extra = aad if scheme.tag_length else None
    made = symmetric.encrypt(key, scheme, text, None, extra)
    assert symmetric.decrypt(key, scheme, made.data, made.iv, extra, made.tag) == text


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CHOICES), st.lists(st.binary(max_size=40), max_size=5))
def test_in_parts_is_as_in_one(choice: tuple[Algorithm, Parameters, int], parts: list[bytes]) -> None:
    from kmsd.crypto.streams import EncryptStream

    algorithm, parameters, bits = choice
    scheme = cipher_scheme(parameters, algorithm)
    if scheme.mode in WHOLE:
        return
    key, iv = bytes(range(bits // 8)), bytes(scheme.iv_length)
    stream = EncryptStream(key, scheme, iv, None)
    start = b"".join(stream.update(part) for part in parts)
    last = stream.finish(b"")
    whole = symmetric.encrypt(key, scheme, b"".join(parts), iv, None)
    assert (start + last.data, last.tag) == (whole.data, whole.tag)


def test_what_works_on_whole_data_only_is_not_begun(software: SoftwareProvider) -> None:
    made = generated(software, Algorithm.AES, 256)
    for mode in (Mode.CCM, Mode.XTS):
        assert software.begin(made.use(ENCRYPT, Parameters(block_cipher_mode=mode)), bytes(16), None) is None


REFUSED: list[tuple[Algorithm, int, Parameters, int, int, type[Exception]]] = [
    # algorithm, bits, parameters, bytes of IV, bytes of data
    (Algorithm.AES, 256, Parameters(block_cipher_mode=Mode.XTS), 16, 15, InvalidParametersError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.XTS), 16, 16, InvalidParametersError),
    (Algorithm.AES, 192, Parameters(block_cipher_mode=Mode.XTS), 16, 16, InvalidParametersError),
    (Algorithm.AES, 256, Parameters(block_cipher_mode=Mode.XTS), 12, 16, InvalidParametersError),
    (Algorithm.AES, 512, Parameters(block_cipher_mode=Mode.GCM), 12, 16, InvalidParametersError),
    (Algorithm.AES, 512, Parameters(block_cipher_mode=Mode.GCM, tag_length=12), 12, 16, InvalidParametersError),
    (Algorithm.AES, 512, Parameters(block_cipher_mode=Mode.CCM), 12, 16, InvalidParametersError),
    (Algorithm.AES, 512, Parameters(block_cipher_mode=Mode.CBC), 16, 16, InvalidParametersError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.CCM), 6, 16, InvalidParametersError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.CCM), 14, 16, InvalidParametersError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.CCM), 13, 1 << 16, InvalidParametersError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.CCM, tag_length=4), 12, 16, TagLengthError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.CCM, tag_length=9), 12, 16, TagLengthError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.CCM, iv_length=48), 12, 16, InvalidParametersError),
    (Algorithm.AES, 128, Parameters(block_cipher_mode=Mode.AEAD), 12, 16, UnsupportedError),
    (Algorithm.CHACHA20, 256, Parameters(), 11, 16, InvalidParametersError),
    (Algorithm.CHACHA20, 256, Parameters(initial_counter_value=1), 16, 16, InvalidParametersError),
    (Algorithm.CHACHA20, 256, Parameters(initial_counter_value=1 << 32), 12, 16, InvalidParametersError),
    (Algorithm.CHACHA20, 256, Parameters(block_cipher_mode=Mode.CTR), 16, 16, InvalidParametersError),
    (Algorithm.CHACHA20_POLY1305, 256, Parameters(block_cipher_mode=Mode.GCM), 12, 16, UnsupportedError),
    (Algorithm.CHACHA20_POLY1305, 256, Parameters(tag_length=11), 12, 16, TagLengthError),
    (Algorithm.CHACHA20_POLY1305, 256, Parameters(), 8, 16, InvalidParametersError),
    (Algorithm.SM4, 128, Parameters(cryptographic_algorithm=Algorithm.AES), 12, 16, InvalidParametersError),
]


@pytest.mark.parametrize(("algorithm", "bits", "parameters", "iv", "size", "refusal"), REFUSED)
def test_what_a_cipher_does_not_take_is_refused(
    software: SoftwareProvider,
    algorithm: Algorithm,
    bits: int,
    parameters: Parameters,
    iv: int,
    size: int,
    refusal: type[Exception],
) -> None:
    made = stored(software, algorithm, bytes(range(bits // 8)))
    with pytest.raises(refusal):
        software.encrypt(made.use(ENCRYPT, parameters), bytes(size), bytes(iv), None)
    with pytest.raises(refusal):
        software.decrypt(made.use(DECRYPT, parameters), bytes(size), bytes(iv), None, bytes(16))


def test_an_xts_key_of_two_equal_halves_is_refused(software: SoftwareProvider) -> None:
    made = stored(software, Algorithm.AES, bytes(32))
    with pytest.raises(InvalidParametersError):
        software.encrypt(made.use(ENCRYPT, Parameters(block_cipher_mode=Mode.XTS)), bytes(16), bytes(16), None)


def test_a_512_bit_key_neither_wraps_nor_makes_a_cmac(software: SoftwareProvider) -> None:
    made = generated(software, Algorithm.AES, 512)
    with pytest.raises(UnsupportedError):
        software.wrap(made.use(Purpose.WRAP), bytes(32))
    with pytest.raises(UnsupportedError):
        software.mac(made.use(Purpose.MAC_GENERATE), bytes(32))


def test_a_scheme_names_its_algorithm() -> None:
    assert cipher_scheme(Parameters(block_cipher_mode=Mode.CBC), Algorithm.SM4) == CipherScheme(
        Mode.CBC, PaddingMethod.NONE, 0, 16, True, None, Algorithm.SM4
    )
    for algorithm in (None, Algorithm.RSA, Algorithm.HMAC_SHA256):
        with pytest.raises(UnsupportedError):
            cipher_scheme(Parameters(block_cipher_mode=Mode.CBC), algorithm)


@pytest.mark.parametrize("size", [12, 13, 15])
def test_chacha20_poly1305_opens_with_the_beginning_of_its_tag(software: SoftwareProvider, size: int) -> None:
    made = stored(software, Algorithm.CHACHA20_POLY1305, CHACHA_KEY)
    parameters = Parameters(block_cipher_mode=Mode.AEAD, tag_length=size)
    iv = bytes(12)
    encrypted = software.encrypt(made.use(ENCRYPT, parameters), LADIES, iv, b"more")
    whole = software.encrypt(made.use(ENCRYPT), LADIES, iv, b"more")
    assert whole.tag is not None
    assert encrypted.tag == whole.tag[:size]
    use = made.use(DECRYPT, parameters)
    assert software.decrypt(use, encrypted.data, iv, b"more", encrypted.tag) == LADIES
    for data, aad, tag in (
        (encrypted.data[:-1], b"more", encrypted.tag),
        (encrypted.data, b"less", encrypted.tag),
        (encrypted.data, b"more", bytes(size)),
    ):
        with pytest.raises(CryptographicFailureError):
            software.decrypt(use, data, iv, aad, tag)
