"""Ed25519, X25519, ML-DSA, ML-KEM, secp256k1: published examples, and what is refused."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kmsd.crypto import asymmetric, encapsulation, keyformats, rawkeys
from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.provider import Derivation, Provider
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.algorithms import FIXED_LENGTHS
from kmsd.domain.usage import Purpose
from protocol import vendor
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import DerivationMethod, KeyFormatType, ObjectType, PaddingMethod, RecommendedCurve
from protocol.enums import DigitalSignatureAlgorithm as Signature
from protocol.enums import HashingAlgorithm as Hashing
from protocol.objects import TransparentECPrivateKey, TransparentECPublicKey
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import as_the_token_can, pair, reference, stored

ENCRYPT, DECRYPT, SIGN, VERIFY = Purpose.ENCRYPT, Purpose.DECRYPT, Purpose.SIGN, Purpose.VERIFY
PRIVATE, PUBLIC = ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY
DATA = b"some data"


def hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text)


# --- Ed25519, ML-DSA

# RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
ED25519 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), ED25519, ids=["1", "2", "3"])
def test_ed25519_gives_the_published_signatures(
    software: SoftwareProvider, seed: str, public: str, message: str, signature: str
) -> None:
    parsed = keyformats.parse(PRIVATE, KeyFormatType.RAW, hexadecimal(seed), Algorithm.ED25519)
    assert (parsed.format, parsed.registered, parsed.length) == (KeyFormatType.PKCS_8, KeyFormatType.RAW, 256)
    private = stored(software, Algorithm.ED25519, parsed.material, PRIVATE, parsed.format)
    assert software.sign(private.use(SIGN), hexadecimal(message), None).hex() == signature
    given = keyformats.parse(PUBLIC, KeyFormatType.RAW, hexadecimal(public), Algorithm.ED25519)
    verifier = stored(software, Algorithm.ED25519, given.material, PUBLIC, given.format, uid="public")
    assert software.verify(verifier.use(VERIFY), hexadecimal(message), None, hexadecimal(signature))
    assert not software.verify(verifier.use(VERIFY), b"other", None, hexadecimal(signature))


SIGNERS = [Algorithm.ED25519, vendor.ML_DSA_44, vendor.ML_DSA_65, vendor.ML_DSA_87]


@pytest.mark.parametrize("algorithm", SIGNERS, ids=lambda algorithm: algorithm.name)
def test_a_pair_signs_data_and_no_digest(provider: Provider, algorithm: Algorithm) -> None:
    with as_the_token_can(provider):
        public, private = pair(provider, algorithm, FIXED_LENGTHS[algorithm])
    assert public.new.length == private.new.length == FIXED_LENGTHS[algorithm]
    signature = provider.sign(private.use(SIGN), DATA, None)
    assert provider.verify(public.use(VERIFY), DATA, None, signature)
    assert not provider.verify(public.use(VERIFY), DATA + b"x", None, signature)
    assert not provider.verify(public.use(VERIFY), DATA, None, signature[:-1])
    with pytest.raises(InvalidParametersError):
        provider.sign(private.use(SIGN), None, hashlib.sha256(DATA).digest())
    for parameters in (
        Parameters(hashing_algorithm=Hashing.SHA_256),
        Parameters(digital_signature_algorithm=Signature.ECDSA_WITH_SHA256),
        Parameters(padding_method=PaddingMethod.PSS),
        Parameters(cryptographic_algorithm=Algorithm.RSA),
    ):
        with pytest.raises(InvalidParametersError):
            provider.sign(private.use(SIGN, parameters), DATA, None)


@pytest.mark.parametrize("algorithm", list(FIXED_LENGTHS), ids=lambda algorithm: algorithm.name)
def test_a_pair_of_another_length_is_not_made(provider: Provider, algorithm: Algorithm) -> None:
    public, private = (reference(kind, algorithm, 512, f"key-{kind.name}") for kind in (PUBLIC, PRIVATE))
    with pytest.raises(UnsupportedError):
        provider.generate_pair(public, private, None)


# RFC 9881 appendix C and RFC 9935 appendix C: the seed 000102..., and how the public key of it begins.
SEEDED: list[tuple[Algorithm, int, str]] = [
    (vendor.ML_DSA_44, 32, "d7b2b47254aae0db45e7930d4a98d2c97d8f1397d1789dafa17024b316e9bec9"),
    (vendor.ML_KEM_768, 64, "298aa10d423c8dda069d02bc59e6cdf03a096b8b3da4cab9b80ca4a14907672c"),
]


@pytest.mark.parametrize(("algorithm", "size", "start"), SEEDED, ids=["ML-DSA-44", "ML-KEM-768"])
def test_the_published_seed_gives_the_published_public_key(algorithm: Algorithm, size: int, start: str) -> None:
    private = rawkeys.read(True, algorithm, bytes(range(size)))
    assert isinstance(private, asymmetric.RawPrivateKey)
    assert rawkeys.write(private.public_key()).hex().startswith(start)
    assert rawkeys.write(private) == bytes(range(size))


RAW_SIZES: dict[Algorithm, tuple[int, int]] = {
    # bytes of the private key or seed, and of the public key: RFC 8032, RFC 7748, FIPS 204 table 2, FIPS 203 table 3
    Algorithm.ED25519: (32, 32),
    Algorithm.ECDH: (32, 32),
    vendor.ML_DSA_44: (32, 1312),
    vendor.ML_DSA_65: (32, 1952),
    vendor.ML_DSA_87: (32, 2592),
    vendor.ML_KEM_768: (64, 1184),
    vendor.ML_KEM_1024: (64, 1568),
}


@pytest.mark.parametrize("algorithm", list(RAW_SIZES), ids=lambda algorithm: algorithm.name)
def test_raw_keys_come_and_go_in_every_form_they_have(algorithm: Algorithm) -> None:
    private_size, public_size = RAW_SIZES[algorithm]
    seed = bytes(range(1, private_size + 1))
    private = keyformats.parse(PRIVATE, KeyFormatType.RAW, seed, algorithm)
    loaded = asymmetric.load_private(private.material)
    raw_public = rawkeys.write(asymmetric.public_of(loaded))  # type: ignore[arg-type]
    public = keyformats.parse(PUBLIC, KeyFormatType.RAW, raw_public, algorithm)
    assert len(raw_public) == public_size
    assert private.length == public.length == asymmetric.size_of(loaded)
    for object_type, parsed, raw in ((PRIVATE, private, seed), (PUBLIC, public, raw_public)):
        assert keyformats.convert(object_type, parsed.material, parsed.format, KeyFormatType.RAW) == raw
        same = keyformats.parse(object_type, parsed.format, parsed.material, algorithm, parsed.length)
        assert (same.material, same.curve) == (parsed.material, parsed.curve)
        for other in (KeyFormatType.PKCS_1, KeyFormatType.TRANSPARENT_RSA_PRIVATE_KEY):
            with pytest.raises(UnsupportedError):
                keyformats.convert(object_type, parsed.material, parsed.format, other)
        for wrong in (raw[:-1], raw + b"\0", b""):
            with pytest.raises(KeyMaterialError):
                keyformats.parse(object_type, KeyFormatType.RAW, wrong, algorithm)
    for wrong_algorithm in (None, Algorithm.RSA, Algorithm.SM2):
        with pytest.raises(KeyMaterialError):
            keyformats.parse(PRIVATE, KeyFormatType.RAW, seed, wrong_algorithm)
    with pytest.raises(KeyMaterialError):
        keyformats.parse(PRIVATE, KeyFormatType.PKCS_8, private.material, Algorithm.RSA)


# --- ML-KEM


@pytest.mark.parametrize("algorithm", [vendor.ML_KEM_768, vendor.ML_KEM_1024], ids=lambda algorithm: algorithm.name)
def test_what_was_encapsulated_is_decapsulated(software: SoftwareProvider, algorithm: Algorithm) -> None:
    public, private = pair(software, algorithm, FIXED_LENGTHS[algorithm])
    public_key = asymmetric.load_public(software.export(public.use(Purpose.EXPORT)))
    private_key = asymmetric.load_private(software.export(private.use(Purpose.EXPORT)))
    made = encapsulation.encapsulate(public_key)
    assert len(made.secret) == encapsulation.SHARED_SECRET
    assert made.secret.hex() not in repr(made)
    assert encapsulation.decapsulate(private_key, made.ciphertext) == made.secret
    altered = bytes((made.ciphertext[0] ^ 1,)) + made.ciphertext[1:]
    assert encapsulation.decapsulate(private_key, altered) != made.secret
    with pytest.raises(CryptographicFailureError):
        encapsulation.decapsulate(private_key, made.ciphertext[:-1])
    for call in (
        lambda: software.sign(private.use(SIGN), DATA, None),
        lambda: software.decrypt(private.use(DECRYPT), DATA, None, None, None),
        lambda: software.encrypt(public.use(ENCRYPT), DATA, None, None),
    ):
        with pytest.raises((UnsupportedError, InvalidParametersError)):
            call()
    other = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(UnsupportedError):
        encapsulation.encapsulate(other.public_key())
    with pytest.raises(UnsupportedError):
        encapsulation.decapsulate(other, made.ciphertext)


def test_keys_of_other_parameter_sets_are_told_apart() -> None:
    one, other = mldsa.MLDSA44PrivateKey.generate(), mlkem.MLKEM1024PrivateKey.generate()
    with pytest.raises(KeyMaterialError):
        keyformats.parse(PRIVATE, KeyFormatType.PKCS_8, asymmetric.pkcs8(one), vendor.ML_DSA_65)
    with pytest.raises(KeyMaterialError):
        keyformats.parse(PRIVATE, KeyFormatType.PKCS_8, asymmetric.pkcs8(other), vendor.ML_KEM_768)


# --- X25519

# RFC 7748 §6.1.
BOB = hexadecimal("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
BOB_PUBLIC = hexadecimal("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
ALICE_PUBLIC = hexadecimal("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
SHARED = hexadecimal("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
CURVE25519 = RecommendedCurve.CURVE25519


def agreement(peer: bytes) -> Derivation:
    return Derivation(DerivationMethod.ASYMMETRIC_KEY, 32, Parameters(), peer=peer)


def spki(point: bytes) -> bytes:
    return asymmetric.spki(x25519.X25519PublicKey.from_public_bytes(point))


def test_x25519_agrees_on_the_published_secret(software: SoftwareProvider) -> None:
    parsed = keyformats.parse(PRIVATE, KeyFormatType.RAW, BOB, Algorithm.ECDH)
    bob = stored(software, Algorithm.ECDH, parsed.material, PRIVATE, parsed.format)
    assert software.derive(bob.use(Purpose.DERIVE), agreement(spki(ALICE_PUBLIC))) == SHARED
    with pytest.raises(CryptographicFailureError):
        software.derive(bob.use(Purpose.DERIVE), agreement(spki(bytes(32))))
    on_p_256 = asymmetric.spki(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(InvalidParametersError):
        software.derive(bob.use(Purpose.DERIVE), agreement(on_p_256))


def test_x25519_has_a_transparent_form_of_its_32_bytes() -> None:
    material = TransparentECPrivateKey(recommended_curve=CURVE25519, d=int.from_bytes(BOB, "little"))
    form = KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY
    parsed = keyformats.parse(PRIVATE, form, material, Algorithm.ECDH, 256)
    assert keyformats.convert(PRIVATE, parsed.material, parsed.format, KeyFormatType.RAW) == BOB
    assert keyformats.convert(PRIVATE, parsed.material, parsed.format, form) == material
    public_form = KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY
    public_material = TransparentECPublicKey(recommended_curve=CURVE25519, q_string=BOB_PUBLIC)
    public = keyformats.parse(PUBLIC, public_form, public_material, Algorithm.ECDH, 256)
    assert public.material == spki(BOB_PUBLIC)
    assert keyformats.convert(PUBLIC, public.material, public.format, public_form) == public_material
    for d in (1 << 256, -1):
        with pytest.raises(KeyMaterialError):
            keyformats.parse(PRIVATE, form, TransparentECPrivateKey(recommended_curve=CURVE25519, d=d))


def test_x25519_derives_the_same_secret_on_both_sides(software: SoftwareProvider) -> None:
    one_public, one_private = pair(software, Algorithm.ECDH, 256, CURVE25519, "one")
    two_public, two_private = pair(software, Algorithm.EC, 256, CURVE25519, "two")
    secrets = set()
    for private, public in ((one_private, two_public), (two_private, one_public)):
        peer = software.export(public.use(Purpose.EXPORT))
        secrets.add(software.derive(private.use(Purpose.DERIVE), agreement(peer)))
    assert len(secrets) == 1
    with pytest.raises(UnsupportedError):
        software.sign(one_private.use(SIGN), DATA, None)


# --- secp256k1, and a low s

LOW_S = Parameters(digital_signature_algorithm=vendor.ECDSA_LOW_S_WITH_SHA256)
ORDERS = {
    RecommendedCurve.SECP256K1: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    RecommendedCurve.P_256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}


@pytest.mark.parametrize("curve", list(ORDERS), ids=lambda curve: curve.name)
def test_a_low_s_is_made_and_wanted_where_it_is_asked_for(provider: Provider, curve: RecommendedCurve) -> None:
    public, private = pair(provider, Algorithm.EC, 256, curve)
    order = ORDERS[curve]
    for _ in range(8):
        signature = provider.sign(private.use(SIGN, LOW_S), DATA, None)
        r, s = decode_dss_signature(signature)
        assert s <= order // 2
        assert provider.verify(public.use(VERIFY, LOW_S), DATA, None, signature)
        high = encode_dss_signature(r, order - s)
        assert not provider.verify(public.use(VERIFY, LOW_S), DATA, None, high)
        assert provider.verify(public.use(VERIFY), DATA, None, high)


def test_a_low_s_is_for_two_curves(software: SoftwareProvider) -> None:
    _, private = pair(software, Algorithm.EC, 384, RecommendedCurve.P_384)
    with pytest.raises(UnsupportedError):
        software.sign(private.use(SIGN, LOW_S), DATA, None)


# --- SM3 with what does not take it


@pytest.mark.parametrize("padding", [PaddingMethod.PKCS1_V1_5, PaddingMethod.PSS])
def test_rsa_takes_no_sm3(software: SoftwareProvider, padding: PaddingMethod) -> None:
    public, private = pair(software, Algorithm.RSA, 2048)
    with pytest.raises(UnsupportedError):
        software.sign(private.use(SIGN, Parameters(padding_method=padding, hashing_algorithm=vendor.SM3)), DATA, None)
    oaep = Parameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=vendor.SM3)
    with pytest.raises(UnsupportedError):
        software.encrypt(public.use(ENCRYPT, oaep), DATA, None, None)
