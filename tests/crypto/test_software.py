"""What only the software provider promises: sealed material, keys that are brought, nothing shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kmsd.crypto.asymmetric import pkcs8, spki
from kmsd.crypto.errors import InvalidParametersError, KeyMaterialError, SealError, UnsupportedError
from kmsd.crypto.keyformats import digest
from kmsd.crypto.sealing import Sealer
from kmsd.crypto.software import SoftwareProvider, capabilities
from kmsd.domain.algorithms import PAIRS
from kmsd.domain.objects import Material
from kmsd.domain.usage import KeyUse, Purpose
from protocol.enums import BlockCipherMode, KeyFormatType, ObjectType, PaddingMethod, RecommendedCurve
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import generated, pair, reference, stored
from tests.crypto.test_keyformats import certificate

EXPORT, ENCRYPT = Purpose.EXPORT, Purpose.ENCRYPT
ECB = Parameters(block_cipher_mode=BlockCipherMode.ECB)


@pytest.mark.parametrize(
    ("object_type", "algorithm", "format_"),
    [
        (ObjectType.SYMMETRIC_KEY, Algorithm.AES, KeyFormatType.RAW),
        (ObjectType.SYMMETRIC_KEY, Algorithm.CHACHA20, KeyFormatType.OPAQUE),
        (ObjectType.SECRET_DATA, None, KeyFormatType.OPAQUE),
        (ObjectType.OPAQUE_OBJECT, None, None),
    ],
)
def test_what_is_brought_is_given_back(
    software: SoftwareProvider, object_type: ObjectType, algorithm: Algorithm | None, format_: KeyFormatType | None
) -> None:
    material = bytes(range(32))
    key = stored(software, algorithm, material, object_type, format_)
    assert key.new.material.kind == "sealed"
    assert material not in key.new.material.blob
    assert software.export(key.use(EXPORT)) == material
    assert key.new.digest == digest(object_type, material, format_, algorithm)


def test_what_is_generated_has_its_length_and_digest(software: SoftwareProvider) -> None:
    for algorithm, length in ((Algorithm.AES, 192), (Algorithm.HMAC_SHA256, 200)):
        key = generated(software, algorithm, length)
        plaintext = software.export(key.use(EXPORT))
        assert len(plaintext) * 8 == key.new.length == length
        assert key.new.digest == digest(ObjectType.SYMMETRIC_KEY, plaintext, KeyFormatType.RAW, algorithm)


def test_a_blob_put_into_another_objects_place_does_not_open(software: SoftwareProvider) -> None:
    first, second = (generated(software, Algorithm.AES, 256, uid) for uid in ("key-1", "key-2"))
    swapped = replace(first.use(ENCRYPT, ECB), material=second.new.material)
    with pytest.raises(SealError):
        software.encrypt(swapped, bytes(16), None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "bank"},
        {"uid": "key-2"},
        {"algorithm": Algorithm.HMAC_SHA256},
        {"length": 128},
        {"object_type": ObjectType.SECRET_DATA},
    ],
)
def test_a_blob_does_not_open_with_other_attributes(software: SoftwareProvider, change: dict[str, object]) -> None:
    use = generated(software, Algorithm.AES, 256).use(EXPORT)
    changed: KeyUse = replace(use, **change)  # type: ignore[arg-type]
    with pytest.raises(SealError):
        software.export(changed)


def test_a_key_that_lives_elsewhere_is_refused(software: SoftwareProvider) -> None:
    use = generated(software, Algorithm.AES, 256).use(ENCRYPT, ECB)
    for kind in ("wrapped", "resident"):
        elsewhere = replace(use, material=Material(kind, b"blob"))  # type: ignore[arg-type]
        with pytest.raises(UnsupportedError):
            software.encrypt(elsewhere, bytes(16), None, None)


@pytest.mark.parametrize(
    ("object_type", "algorithm", "length", "material", "format_"),
    [
        (ObjectType.SYMMETRIC_KEY, Algorithm.AES, 256, bytes(16), KeyFormatType.RAW),
        (ObjectType.SYMMETRIC_KEY, Algorithm.AES, 0, bytes(15), KeyFormatType.RAW),
        (ObjectType.SYMMETRIC_KEY, Algorithm.AES, 0, b"", KeyFormatType.RAW),
        (ObjectType.PRIVATE_KEY, Algorithm.RSA, 2048, bytes(100), KeyFormatType.PKCS_8),
        (ObjectType.PUBLIC_KEY, Algorithm.EC, 256, bytes(100), KeyFormatType.X_509),
    ],
)
def test_material_that_is_not_what_it_is_called_is_not_kept(
    software: SoftwareProvider,
    object_type: ObjectType,
    algorithm: Algorithm,
    length: int,
    material: bytes,
    format_: KeyFormatType,
) -> None:
    with pytest.raises(KeyMaterialError):
        software.store(reference(object_type, algorithm, length), material, format_)


def test_a_length_that_is_not_said_is_found(software: SoftwareProvider) -> None:
    der = spki(ec.generate_private_key(ec.SECP384R1()).public_key())
    key = stored(software, Algorithm.EC, der, ObjectType.PUBLIC_KEY, KeyFormatType.X_509)
    assert key.new.length == 384
    assert software.export(key.use(EXPORT)) == der


def test_a_certificate_verifies_and_its_key_signs(software: SoftwareProvider) -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    private = stored(
        software, Algorithm.EC, pkcs8(private_key), ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8, uid="private"
    )
    held = stored(
        software,
        Algorithm.EC,
        certificate(private_key),
        ObjectType.CERTIFICATE,
        KeyFormatType.X_509,
        length=256,
        uid="certificate",
    )
    signature = software.sign(private.use(Purpose.SIGN), b"data", None)
    assert software.verify(held.use(Purpose.VERIFY), b"data", None, signature)
    assert not software.verify(held.use(Purpose.VERIFY), b"other", None, signature)


def test_a_key_on_secp256k1_signs(software: SoftwareProvider) -> None:
    public, private = pair(software, Algorithm.ECDSA, 256, RecommendedCurve.SECP256K1)
    signature = software.sign(private.use(Purpose.SIGN), b"data", None)
    assert software.verify(public.use(Purpose.VERIFY), b"data", None, signature)


def test_a_counter_completes_a_short_iv(software: SoftwareProvider) -> None:
    # RFC 3686 §6, test vector 1: nonce and IV together, the counter starting at 1.
    key = stored(software, Algorithm.AES, bytes.fromhex("ae6852f8121067cc4bf7a5765577f39e"))
    nonce = bytes.fromhex("00000030" + "0000000000000000")
    ctr = Parameters(block_cipher_mode=BlockCipherMode.CTR, initial_counter_value=1)
    made = software.encrypt(key.use(ENCRYPT, ctr), b"Single block msg", nonce, None)
    assert made.data.hex() == "e4095d4fb7a7b3792d6175a3261311b8"
    full = Parameters(block_cipher_mode=BlockCipherMode.CTR, initial_counter_value=1 << 31)
    with pytest.raises(InvalidParametersError):
        software.encrypt(key.use(ENCRYPT, full), bytes(16), bytes(13), None)


@pytest.mark.parametrize("algorithm", [Algorithm.RSA, Algorithm.EC, Algorithm.DES3, None])
def test_only_symmetric_keys_are_generated_alone(software: SoftwareProvider, algorithm: Algorithm | None) -> None:
    with pytest.raises(UnsupportedError):
        software.generate(reference(ObjectType.SYMMETRIC_KEY, algorithm, 2048))


def test_keys_of_other_algorithms_do_not_encrypt(software: SoftwareProvider) -> None:
    key = stored(software, Algorithm.DES3, bytes(24))
    with pytest.raises(UnsupportedError):
        software.encrypt(key.use(ENCRYPT, ECB), bytes(16), None, None)


@pytest.mark.parametrize(
    ("algorithm", "size", "short"),
    [
        (Algorithm.AES, 1024, True),
        (Algorithm.AES, 1 << 20, False),
        (Algorithm.EC, 32, True),
        (Algorithm.RSA, 32, False),
        (None, 32, True),
    ],
)
def test_rsa_and_much_data_are_not_short(
    software: SoftwareProvider, algorithm: Algorithm | None, size: int, short: bool
) -> None:
    assert software.is_short(algorithm, size) is short


def test_every_capability_that_is_named_is_real(software: SoftwareProvider) -> None:
    made = set()
    for algorithm, length in capabilities().key_algorithms:
        if algorithm in PAIRS:
            continue  # the provider suite makes these
        made.add(software.generate(reference(ObjectType.SYMMETRIC_KEY, algorithm, length)).length)
    assert {128, 192, 256, 112, 1024} <= made


def test_no_repr_shows_key_bytes(software: SoftwareProvider, sealer: Sealer) -> None:
    material = b"\xab" * 32
    key = stored(software, Algorithm.AES, material)
    use = key.use(ENCRYPT)
    for shown in map(repr, (software, sealer, key, use, key.new, key.new.material)):
        assert "\\xab" not in shown
        assert repr(key.new.material.blob)[2:-1] not in shown


def test_a_bad_pkcs1_padding_is_not_told_apart_from_a_good_one(software: SoftwareProvider) -> None:
    public, private = pair(software, Algorithm.RSA, 2048)
    pkcs1 = Parameters(padding_method=PaddingMethod.PKCS1_V1_5)
    made = software.encrypt(public.use(ENCRYPT, pkcs1), b"a data key", None, None).data
    decrypt = private.use(Purpose.DECRYPT, pkcs1)
    for position in range(1, 200, 20):
        changed = bytearray(made)
        changed[position] ^= 1
        assert software.decrypt(decrypt, bytes(changed), None, None, None) != b"a data key"
