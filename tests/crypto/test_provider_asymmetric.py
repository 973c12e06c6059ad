"""RSA and elliptic curves, on every provider; `cryptography` judges what each of them makes."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kmsd.crypto.asymmetric import pkcs8, spki
from kmsd.crypto.errors import CryptographicFailureError, InvalidParametersError, UnsupportedError
from kmsd.crypto.provider import Provider
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.usage import Purpose
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import DigitalSignatureAlgorithm as Signature
from protocol.enums import HashingAlgorithm as Hashing
from protocol.enums import KeyFormatType, MaskGenerator, ObjectType, PaddingMethod, RecommendedCurve
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import Key, as_the_token_can, needs_padding, pair, reference, stored

DATA = b"some data to be signed"
SHA = {
    Hashing.SHA_1: hashes.SHA1(),
    Hashing.SHA_224: hashes.SHA224(),
    Hashing.SHA_256: hashes.SHA256(),
    Hashing.SHA_384: hashes.SHA384(),
    Hashing.SHA_512: hashes.SHA512(),
}
CURVES = [
    (256, RecommendedCurve.P_256, "secp256r1"),
    (384, RecommendedCurve.P_384, "secp384r1"),
    (521, RecommendedCurve.P_521, "secp521r1"),
]


@pytest.fixture(scope="module")
def rsa_pkcs8() -> bytes:
    return pkcs8(rsa.generate_private_key(65537, 2048))


def rsa_pair(provider: Provider, der: bytes) -> tuple[Key, Key]:
    """(public, private) of one RSA key; a provider that takes in no keys makes its own."""
    if provider.protection != ProtectionLevel.SOFTWARE:
        return pair(provider, Algorithm.RSA, 2048)
    key = load_private(der)
    public = stored(
        provider,
        Algorithm.RSA,
        spki(key.public_key()),
        ObjectType.PUBLIC_KEY,
        KeyFormatType.X_509,
        uid="key-public",
    )
    private = stored(provider, Algorithm.RSA, der, ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8, uid="key-private")
    return public, private


def load_private(der: bytes) -> rsa.RSAPrivateKey:
    from kmsd.crypto.asymmetric import load_private as load

    key = load(der)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def rsa_public(key: Key) -> rsa.RSAPublicKey:
    public = load_der_public_key(key.provider.export(key.use(Purpose.EXPORT)))
    assert isinstance(public, rsa.RSAPublicKey)
    return public


# --- key pairs
# -----------------------------------------------------------------------------------------------


def test_an_rsa_pair_has_its_length_and_the_usual_exponent(provider: Provider) -> None:
    public, private = pair(provider, Algorithm.RSA, 2048)
    key = rsa_public(public)
    assert (key.key_size, key.public_numbers().e) == (2048, 65537)
    assert (public.new.length, private.new.length) == (2048, 2048)


@pytest.mark.parametrize(("length", "curve", "name"), CURVES)
def test_a_length_alone_means_the_nist_curve(
    provider: Provider, length: int, curve: RecommendedCurve, name: str
) -> None:
    if curve not in provider.capabilities.curves:
        pytest.skip(f"no {curve.name} here")
    for asked in (None, curve):
        public, private = pair(provider, Algorithm.EC, length, asked)
        key = load_der_public_key(provider.export(public.use(Purpose.EXPORT)))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert (key.curve.name, private.new.length) == (name, length)


@pytest.mark.parametrize(("algorithm", "length"), [(Algorithm.RSA, 1023), (Algorithm.RSA, 2047), (Algorithm.EC, 255)])
def test_pairs_of_other_lengths_are_not_made(provider: Provider, algorithm: Algorithm, length: int) -> None:
    public = reference(ObjectType.PUBLIC_KEY, algorithm, length, "p")
    private = reference(ObjectType.PRIVATE_KEY, algorithm, length, "q")
    with pytest.raises(UnsupportedError):
        provider.generate_pair(public, private, None)


def test_a_length_that_is_not_the_curves_is_refused(provider: Provider) -> None:
    if RecommendedCurve.P_256 not in provider.capabilities.curves:
        pytest.skip("no P-256 here")
    public = reference(ObjectType.PUBLIC_KEY, Algorithm.EC, 384, "p")
    private = reference(ObjectType.PRIVATE_KEY, Algorithm.EC, 384, "q")
    with pytest.raises(InvalidParametersError):
        provider.generate_pair(public, private, RecommendedCurve.P_256)


# --- RSA encryption
# ------------------------------------------------------------------------------------------

OAEP_CASES = [
    Parameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hashing.SHA_1),
    Parameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hashing.SHA_256),
    Parameters(
        padding_method=PaddingMethod.OAEP,
        hashing_algorithm=Hashing.SHA_256,
        mask_generator=MaskGenerator.MGF1,
        mask_generator_hashing_algorithm=Hashing.SHA_256,
    ),
    Parameters(
        padding_method=PaddingMethod.OAEP,
        hashing_algorithm=Hashing.SHA_384,
        mask_generator_hashing_algorithm=Hashing.SHA_256,
        p_source=b"Kilroy was here",
    ),
    Parameters(padding_method=PaddingMethod.PKCS1_V1_5),
]


@pytest.mark.parametrize("parameters", OAEP_CASES, ids=["sha1", "sha256-sha1", "sha256", "sha384", "pkcs1"])
def test_rsa_opens_what_cryptography_encrypts_and_the_reverse(
    provider: Provider, rsa_pkcs8: bytes, parameters: Parameters
) -> None:
    method = parameters.padding_method
    assert method is not None
    needs_padding(provider, method, parameters.hashing_algorithm)
    public, private = rsa_pair(provider, rsa_pkcs8)
    other: padding.AsymmetricPadding = padding.PKCS1v15()
    if method == PaddingMethod.OAEP:
        # KMIP 1.4 §3.6: an omitted mask hash is SHA-1, whatever the hash is.
        assert parameters.hashing_algorithm is not None
        mask = parameters.mask_generator_hashing_algorithm or Hashing.SHA_1
        other = padding.OAEP(padding.MGF1(SHA[mask]), SHA[parameters.hashing_algorithm], parameters.p_source)
    decrypt = private.use(Purpose.DECRYPT, parameters)
    with as_the_token_can(provider):  # not every token has each mask hash
        opened = provider.decrypt(decrypt, rsa_public(public).encrypt(DATA, other), None, None, None)
    assert opened == DATA
    made = provider.encrypt(public.use(Purpose.ENCRYPT, parameters), DATA, None, None)
    assert (made.iv, made.tag) == (None, None)
    assert provider.decrypt(decrypt, made.data, None, None, None) == DATA
    if provider.protection == ProtectionLevel.SOFTWARE:
        assert load_private(rsa_pkcs8).decrypt(made.data, other) == DATA


@pytest.mark.parametrize("change", ["flip", "short", "empty"])
def test_a_changed_oaep_ciphertext_is_a_cryptographic_failure(
    provider: Provider, rsa_pkcs8: bytes, change: str
) -> None:
    needs_padding(provider, PaddingMethod.OAEP, Hashing.SHA_1)
    public, private = rsa_pair(provider, rsa_pkcs8)
    parameters = Parameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hashing.SHA_1)
    made = provider.encrypt(public.use(Purpose.ENCRYPT, parameters), DATA, None, None).data
    broken = {"flip": made[:-1] + bytes([made[-1] ^ 1]), "short": made[:-1], "empty": b""}[change]
    with pytest.raises(CryptographicFailureError):
        provider.decrypt(private.use(Purpose.DECRYPT, parameters), broken, None, None, None)


def test_rsa_takes_no_more_data_than_fits(provider: Provider, rsa_pkcs8: bytes) -> None:
    needs_padding(provider, PaddingMethod.OAEP, Hashing.SHA_1)
    public, private = rsa_pair(provider, rsa_pkcs8)
    parameters = Parameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hashing.SHA_1)
    fits = 256 - 2 * 20 - 2
    made = provider.encrypt(public.use(Purpose.ENCRYPT, parameters), bytes(fits), None, None)
    assert provider.decrypt(private.use(Purpose.DECRYPT, parameters), made.data, None, None, None) == bytes(fits)
    with pytest.raises(InvalidParametersError):
        provider.encrypt(public.use(Purpose.ENCRYPT, parameters), bytes(fits + 1), None, None)


# --- signatures
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hashing", list(SHA))
@pytest.mark.parametrize("method", [PaddingMethod.PKCS1_V1_5, PaddingMethod.PSS])
def test_rsa_signatures_verify_with_cryptography(
    provider: Provider, rsa_pkcs8: bytes, method: PaddingMethod, hashing: Hashing
) -> None:
    if not provider.capabilities.signatures & {Signature.RSASSA_PSS, Signature.SHA_256_WITH_RSA_ENCRYPTION}:
        pytest.skip("no RSA signatures here")
    public, private = rsa_pair(provider, rsa_pkcs8)
    parameters = Parameters(padding_method=method, hashing_algorithm=hashing)
    digest = hashes.Hash(SHA[hashing])
    digest.update(DATA)
    digested = digest.finalize()
    with as_the_token_can(provider):
        made = provider.sign(private.use(Purpose.SIGN, parameters), DATA, None)
    other: padding.AsymmetricPadding = padding.PKCS1v15()
    if method == PaddingMethod.PSS:
        other = padding.PSS(padding.MGF1(SHA[hashing]), padding.PSS.DIGEST_LENGTH)
    rsa_public(public).verify(made, DATA, other, SHA[hashing])
    from_digest = provider.sign(private.use(Purpose.SIGN, parameters), None, digested)
    verify = public.use(Purpose.VERIFY, parameters)
    assert provider.verify(verify, DATA, None, made)
    assert provider.verify(verify, DATA, None, from_digest)
    assert provider.verify(verify, None, digested, made)
    assert not provider.verify(verify, DATA + b"!", None, made)
    assert not provider.verify(verify, DATA, None, made[:-1] + bytes([made[-1] ^ 1]))
    assert not provider.verify(verify, DATA, None, b"")


def test_the_names_of_signature_algorithms_are_the_combinations(software: Provider, rsa_pkcs8: bytes) -> None:
    public, private = rsa_pair(software, rsa_pkcs8)
    named = Parameters(digital_signature_algorithm=Signature.SHA_384_WITH_RSA_ENCRYPTION)
    combined = Parameters(cryptographic_algorithm=Algorithm.RSA, hashing_algorithm=Hashing.SHA_384)
    made = software.sign(private.use(Purpose.SIGN, named), DATA, None)
    assert made == software.sign(private.use(Purpose.SIGN, combined), DATA, None)
    assert software.verify(public.use(Purpose.VERIFY, combined), DATA, None, made)
    assert not software.verify(public.use(Purpose.VERIFY), DATA, None, made)


def test_without_parameters_rsa_signs_pkcs1_with_sha_256(provider: Provider, rsa_pkcs8: bytes) -> None:
    if Signature.SHA_256_WITH_RSA_ENCRYPTION not in provider.capabilities.signatures:
        pytest.skip("no RSA signatures here")
    public, private = rsa_pair(provider, rsa_pkcs8)
    made = provider.sign(private.use(Purpose.SIGN), DATA, None)
    rsa_public(public).verify(made, DATA, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("salt", [0, 20, 222])
def test_pss_signs_with_the_salt_length_that_is_asked(software: Provider, rsa_pkcs8: bytes, salt: int) -> None:
    public, private = rsa_pair(software, rsa_pkcs8)
    asked = Parameters(padding_method=PaddingMethod.PSS, hashing_algorithm=Hashing.SHA_256, salt_length=salt)
    made = software.sign(private.use(Purpose.SIGN, asked), DATA, None)
    rsa_public(public).verify(made, DATA, padding.PSS(padding.MGF1(hashes.SHA256()), salt), hashes.SHA256())
    unsaid = Parameters(padding_method=PaddingMethod.PSS, hashing_algorithm=Hashing.SHA_256)
    assert software.verify(public.use(Purpose.VERIFY, unsaid), DATA, None, made)
    wrong = Parameters(padding_method=PaddingMethod.PSS, hashing_algorithm=Hashing.SHA_256, salt_length=salt + 1)
    assert not software.verify(public.use(Purpose.VERIFY, wrong), DATA, None, made)


def test_a_salt_that_does_not_fit_is_refused(software: Provider, rsa_pkcs8: bytes) -> None:
    _, private = rsa_pair(software, rsa_pkcs8)
    asked = Parameters(padding_method=PaddingMethod.PSS, hashing_algorithm=Hashing.SHA_256, salt_length=223)
    with pytest.raises(InvalidParametersError):
        software.sign(private.use(Purpose.SIGN, asked), DATA, None)


def test_a_digest_of_no_hash_is_signed_as_it_is(software: Provider, rsa_pkcs8: bytes) -> None:
    # As the OASIS cases TC-RSA-SIGN-DIGESTEDDATA do it.
    public, private = rsa_pair(software, rsa_pkcs8)
    digested = bytes.fromhex("01020304050607080910111213141516")
    made = software.sign(private.use(Purpose.SIGN), None, digested)
    recovered = rsa_public(public).recover_data_from_signature(made, padding.PKCS1v15(), NoDigestInfo())
    assert recovered == digested
    verify = public.use(Purpose.VERIFY)
    assert software.verify(verify, None, digested, made)
    assert not software.verify(verify, None, digested[:-1], made)
    assert not software.verify(verify, None, digested, made[:-1] + b"\0")


@pytest.mark.parametrize("hashing", list(SHA))
@pytest.mark.parametrize(("length", "curve", "name"), CURVES)
def test_ecdsa_signatures_are_der_and_verify_with_cryptography(
    provider: Provider, length: int, curve: RecommendedCurve, name: str, hashing: Hashing
) -> None:
    public, private = pair(provider, Algorithm.EC, length, curve)
    parameters = Parameters(cryptographic_algorithm=Algorithm.ECDSA, hashing_algorithm=hashing)
    with as_the_token_can(provider):
        made = provider.sign(private.use(Purpose.SIGN, parameters), DATA, None)
    key = load_der_public_key(provider.export(public.use(Purpose.EXPORT)))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(made, DATA, ec.ECDSA(SHA[hashing]))
    verify = public.use(Purpose.VERIFY, parameters)
    assert provider.verify(verify, DATA, None, made)
    assert not provider.verify(verify, DATA + b"!", None, made)
    assert not provider.verify(verify, DATA, None, made[:-1] + bytes([made[-1] ^ 1]))
    assert not provider.verify(verify, DATA, None, b"")
    assert not provider.verify(verify, DATA, None, b"\x30\x00")


@pytest.mark.parametrize(("length", "curve", "name"), CURVES)
def test_ecdsa_signs_the_clients_digest(provider: Provider, length: int, curve: RecommendedCurve, name: str) -> None:
    public, private = pair(provider, Algorithm.ECDSA, length, curve)
    made = provider.sign(private.use(Purpose.SIGN), None, hashlib.sha256(DATA).digest())
    verify = public.use(Purpose.VERIFY, Parameters(hashing_algorithm=Hashing.SHA_256))
    assert provider.verify(verify, DATA, None, made)
    odd = bytes.fromhex("01020304050607080910111213141516")
    made = provider.sign(private.use(Purpose.SIGN), None, odd)
    assert provider.verify(public.use(Purpose.VERIFY), None, odd, made)
    assert not provider.verify(public.use(Purpose.VERIFY), None, odd[::-1], made)


@pytest.mark.parametrize(("length", "hashing"), [(256, "sha256"), (384, "sha384"), (521, "sha512")])
def test_ecdsa_without_parameters_takes_the_hash_that_fits_the_curve(
    provider: Provider, length: int, hashing: str
) -> None:
    public, private = pair(provider, Algorithm.EC, length)
    made = provider.sign(private.use(Purpose.SIGN), DATA, None)
    key = load_der_public_key(provider.export(public.use(Purpose.EXPORT)))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    matching = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
    key.verify(made, DATA, ec.ECDSA(matching[hashing]))


# RFC 6979 §A.2.5: P-256, "sample".
RFC_6979 = {
    "x": 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721,
    "ux": 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    "uy": 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
}
RFC_6979_SIGNATURES = {
    Hashing.SHA_1: (
        0x61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32,
        0x6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB,
    ),
    Hashing.SHA_256: (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
}


@pytest.mark.parametrize("hashing", list(RFC_6979_SIGNATURES))
def test_published_ecdsa_signatures_verify(provider: Provider, hashing: Hashing) -> None:
    numbers = ec.EllipticCurvePublicNumbers(RFC_6979["ux"], RFC_6979["uy"], ec.SECP256R1())
    public = stored(provider, Algorithm.EC, spki(numbers.public_key()), ObjectType.PUBLIC_KEY, KeyFormatType.X_509)
    use = public.use(Purpose.VERIFY, Parameters(hashing_algorithm=hashing))
    signature = encode_dss_signature(*RFC_6979_SIGNATURES[hashing])
    assert provider.verify(use, b"sample", None, signature)
    assert not provider.verify(use, b"Sample", None, signature)


def test_parameters_of_another_kind_of_key_verify_nothing_and_sign_nothing(provider: Provider) -> None:
    public, private = pair(provider, Algorithm.EC, 256, RecommendedCurve.P_256)
    rsa_pss = Parameters(
        padding_method=PaddingMethod.PSS,
        hashing_algorithm=Hashing.SHA_1,
        cryptographic_algorithm=Algorithm.RSA,
    )
    made = provider.sign(private.use(Purpose.SIGN), DATA, None)
    assert not provider.verify(public.use(Purpose.VERIFY, rsa_pss), DATA, None, made)
    with pytest.raises(InvalidParametersError):
        provider.sign(private.use(Purpose.SIGN, rsa_pss), DATA, None)


def test_elliptic_curve_keys_do_not_encrypt(provider: Provider) -> None:
    public, private = pair(provider, Algorithm.EC, 256, RecommendedCurve.P_256)
    with pytest.raises(UnsupportedError):
        provider.encrypt(public.use(Purpose.ENCRYPT), DATA, None, None)
    with pytest.raises(UnsupportedError):
        provider.decrypt(private.use(Purpose.DECRYPT), DATA, None, None, None)


def test_a_public_key_does_not_sign_and_a_private_key_does_not_verify(provider: Provider) -> None:
    public, private = pair(provider, Algorithm.EC, 256, RecommendedCurve.P_256)
    with pytest.raises(InvalidParametersError):
        provider.sign(public.use(Purpose.SIGN), DATA, None)
    with pytest.raises(InvalidParametersError):
        provider.verify(private.use(Purpose.VERIFY), DATA, None, b"\x30\x00")


def test_there_must_be_something_to_sign(provider: Provider) -> None:
    public, private = pair(provider, Algorithm.EC, 256, RecommendedCurve.P_256)
    with pytest.raises(InvalidParametersError):
        provider.sign(private.use(Purpose.SIGN), None, None)
    with pytest.raises(InvalidParametersError):
        provider.verify(public.use(Purpose.VERIFY), None, None, b"\x30\x00")
