from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from kmsd.crypto import asymmetric, sm2
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, KeyMaterialError, UnsupportedError
from kmsd.crypto.sealing import Sealer
from kmsd.crypto.transport import identity, open_inner, split, wrap_to
from kmsd.domain.errors import KmsError
from kmsd.domain.key_specs import KEY_SPECS
from kmsd.domain.transport import TRANSPORTS, Inner, transport
from protocol.enums import CryptographicAlgorithm, ResultReason

HASHES = {"RSAES_OAEP_SHA_256": hashes.SHA256, "RSAES_OAEP_SHA_1": hashes.SHA1}


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def oaep(name: str) -> padding.OAEP:
    hashing = HASHES[name]
    return padding.OAEP(padding.MGF1(hashing()), hashing(), None)


@pytest.mark.parametrize(("name", "most"), [("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)])
def test_what_is_wrapped_to_an_rsa_key_its_owner_opens(name: str, most: int, rsa_key: rsa.RSAPrivateKey) -> None:
    found, spec = transport(name, "RSA_2048")
    spki = asymmetric.spki(rsa_key.public_key())
    for size in (1, 32, most):
        data = os.urandom(size)
        assert rsa_key.decrypt(wrap_to(spki, spec, found, data), oaep(name)) == data
    with pytest.raises(InvalidParametersError):
        wrap_to(spki, spec, found, bytes(most + 1))


@pytest.mark.skipif(not sm2.support().available, reason="the system's libcrypto has no SM2 that can be used")
def test_what_is_wrapped_to_an_sm2_key_its_owner_opens() -> None:
    key = sm2.generate()
    found, spec = transport("SM2PKE", "EC_SM2")
    wrapped = wrap_to(key.public_key.spki, spec, found, b"0123456789abcdef")
    assert wrapped[:1] == b"\x04"  # C1 || C3 || C2
    assert key.decrypt(wrapped) == b"0123456789abcdef"


def test_another_kind_of_public_key_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    found, spec = transport("RSAES_OAEP_SHA_256", "RSA_3072")
    with pytest.raises(KeyMaterialError):
        wrap_to(asymmetric.spki(rsa_key.public_key()), spec, found, b"1")
    with pytest.raises(KeyMaterialError):
        wrap_to(b"no key", spec, found, b"1")
    imports, spec = transport("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048")
    with pytest.raises(UnsupportedError):
        wrap_to(asymmetric.spki(rsa_key.public_key()), spec, imports, b"1")


@pytest.mark.parametrize(
    ("algorithm", "spec", "reason"),
    [
        ("RSAES_OAEP_MD5", "RSA_2048", ResultReason.FEATURE_NOT_SUPPORTED),
        ("RSAES_OAEP_SHA_256", "RSA_1024", ResultReason.FEATURE_NOT_SUPPORTED),
        ("RSAES_OAEP_SHA_256", "AES_256", ResultReason.FEATURE_NOT_SUPPORTED),
        ("RSAES_OAEP_SHA_256", "EC_SM2", ResultReason.INVALID_FIELD),
        ("SM2PKE", "RSA_2048", ResultReason.INVALID_FIELD),
    ],
)
def test_names_that_are_none_or_do_not_go_together_are_refused(algorithm: str, spec: str, reason: ResultReason) -> None:
    with pytest.raises(KmsError) as caught:
        transport(algorithm, spec)
    assert caught.value.reason == reason


@pytest.mark.parametrize("size", [16, 24, 32])
def test_aes_key_wrap_is_opened_with_every_length_of_its_key(size: int) -> None:
    key, data = os.urandom(size), os.urandom(1217)
    assert open_inner(Inner.AES_KEY_WRAP_PADDING, key, aes_key_wrap_with_padding(key, data)) == data


def test_the_padded_ecb_form_is_opened() -> None:
    key, data = os.urandom(32), os.urandom(1217)
    padder = block_padding.PKCS7(128).padder()
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()
    wrapped = encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
    assert open_inner(Inner.AES_256_ECB_PKCS7, key, wrapped) == data


def test_the_sm4_form_is_opened() -> None:
    key, data = os.urandom(16), os.urandom(32)
    encryptor = Cipher(SM4(key), modes.ECB()).encryptor()
    assert open_inner(Inner.SM4_ECB, key, encryptor.update(data) + encryptor.finalize()) == data


@pytest.mark.parametrize("inner", list(Inner))
@pytest.mark.parametrize("wrapped", [b"", b"1", bytes(15), bytes(17), bytes(23)])
def test_what_cannot_be_a_wrapped_key_gets_the_one_answer(inner: Inner, wrapped: bytes) -> None:
    for key in (bytes(inner.value[0]), b"", bytes(15), bytes(33)):
        with pytest.raises(CryptographicFailureError):
            open_inner(inner, key, wrapped)


@pytest.mark.parametrize("inner", [Inner.AES_KEY_WRAP_PADDING, Inner.AES_256_ECB_PKCS7])
def test_a_changed_wrapping_gets_the_one_answer(inner: Inner) -> None:
    with pytest.raises(CryptographicFailureError):
        open_inner(inner, bytes(32), bytes(32))


@pytest.mark.parametrize(
    ("name", "spec", "end"),
    [("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", 256), ("RSA_AES_KEY_WRAP_SHA_1", "RSA_4096", 512)],
)
def test_the_part_under_the_public_key_has_the_length_of_the_key(name: str, spec: str, end: int) -> None:
    found, kind = transport(name, spec)
    wrapped = os.urandom(end + 24)
    assert split(kind, found, wrapped) == (wrapped[:end], wrapped[end:])
    for short in (wrapped[:end], b""):
        with pytest.raises(CryptographicFailureError):
            split(kind, found, short)


def test_without_an_inner_key_all_of_it_is_under_the_public_key() -> None:
    assert split(KEY_SPECS["RSA_2048"], TRANSPORTS["RSAES_OAEP_SHA_256"], b"abc") == (b"abc", b"")
    split_sm2 = split(KEY_SPECS["EC_SM2"], TRANSPORTS["SM2PKE_SM4_ECB"], bytes(range(145)))
    assert split_sm2 == (bytes(range(113)), bytes(range(113, 145)))


def test_two_keys_have_two_identities() -> None:
    aes = CryptographicAlgorithm.AES
    one, other = bytes(32), bytes(31) + b"\x01"
    assert identity(aes, one) == identity(aes, one) != identity(aes, other)
    assert one not in identity(aes, one)
    assert identity(CryptographicAlgorithm.SM4, b"k") == b"k"
    with pytest.raises(InvalidParametersError):
        identity(aes, b"short")


def test_a_fingerprint_is_of_one_tenant_and_one_text() -> None:
    sealer = Sealer({"acme": bytes(32), "bank": bytes(31) + b"\x01"})
    found = sealer.fingerprint("acme", b"material")
    assert len(found) == 32
    assert found == sealer.fingerprint("acme", b"material")
    assert found not in (sealer.fingerprint("bank", b"material"), sealer.fingerprint("acme", b"other"))
