"""SM2: the published examples, a second implementation, and what must be refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsd.crypto import der, libcrypto, sm2
from kmsd.crypto.errors import (
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.provider import Provider
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.usage import Purpose
from protocol import vendor
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import HashingAlgorithm as Hashing
from protocol.enums import KeyFormatType, ObjectType, PaddingMethod
from protocol.structures import CryptographicParameters as Parameters
from tests.crypto.harness import Key, pair, reference, stored

needs_sm2 = pytest.mark.skipif(
    not sm2.support().available, reason=f"the system's libcrypto has no SM2: {sm2.support().refusal}"
)

# GB/T 32918.5 Annex A.2 (signature) and C.2 (encryption), the same as GM/T 0003.5.
D = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
POINT = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
TEXT = b"message digest"
DIGEST = bytes.fromhex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640")
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA
SIGNATURE = der.element(der.SEQUENCE, der.integer(R) + der.integer(S))
PLAINTEXT = b"encryption standard"
CIPHERTEXT = bytes.fromhex(
    "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
    "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
    "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
    "21886ca989ca9c7d58087307ca93092d651efa"
)


@pytest.fixture(scope="module")
def key() -> sm2.Sm2PrivateKey:
    return sm2.private_from_value(D)


# --- SM2 by itself


def test_what_is_signed_is_the_digest_of_the_published_example() -> None:
    assert sm2.Sm2PublicKey(POINT).digest(TEXT, sm2.DEFAULT_IDENTIFIER) == DIGEST


@needs_sm2
def test_the_published_private_key_has_the_published_public_key(key: sm2.Sm2PrivateKey) -> None:
    assert key.public_key.point == POINT


@needs_sm2
def test_the_published_signature_verifies(key: sm2.Sm2PrivateKey) -> None:
    public = key.public_key
    assert public.verify(SIGNATURE, TEXT, sm2.DEFAULT_IDENTIFIER)
    assert public.verify_digest(SIGNATURE, DIGEST)
    assert not public.verify(SIGNATURE, TEXT, b"ALICE123@YAHOO.COM")
    assert not public.verify(SIGNATURE, TEXT + b"x", sm2.DEFAULT_IDENTIFIER)
    for broken in (b"", SIGNATURE[:-1], SIGNATURE + b"\0", b"\x30\x00"):
        assert not public.verify(broken, TEXT, sm2.DEFAULT_IDENTIFIER)
        assert not public.verify_digest(broken, DIGEST)


@needs_sm2
def test_the_published_ciphertext_decrypts_in_both_forms(key: sm2.Sm2PrivateKey) -> None:
    assert key.decrypt(CIPHERTEXT) == PLAINTEXT
    assert key.decrypt(sm2.to_der(CIPHERTEXT)) == PLAINTEXT


@needs_sm2
@pytest.mark.parametrize("place", [1, 40, 64, 65, 96, 97, len(CIPHERTEXT) - 1])
def test_an_altered_ciphertext_does_not_decrypt(key: sm2.Sm2PrivateKey, place: int) -> None:
    altered = bytearray(CIPHERTEXT)
    altered[place] ^= 1
    with pytest.raises(CryptographicFailureError):
        key.decrypt(bytes(altered))


@needs_sm2
@given(st.binary(max_size=200))
def test_what_is_no_ciphertext_is_refused(data: bytes) -> None:
    with pytest.raises(CryptographicFailureError):
        sm2.private_from_value(D).decrypt(data)


@needs_sm2
def test_a_key_stream_of_zeros_neither_encrypts_nor_decrypts(key: sm2.Sm2PrivateKey) -> None:
    # One byte meets a zero once in 256 times (GB/T 32918.4 §6.1 A5).
    for _ in range(300):
        assert key.public_key.encrypt(b"A")[-1:] != b"A"


@needs_sm2
@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.binary(max_size=40))
def test_sm2_reads_what_it_wrote(data: bytes, identifier: bytes) -> None:
    made = sm2.private_from_value(D)
    ciphertext = made.public_key.encrypt(data)
    assert len(ciphertext) == len(data) + sm2.OVERHEAD
    assert made.decrypt(ciphertext) == made.decrypt(sm2.to_der(ciphertext)) == data
    assert made.public_key.verify(made.sign(data, identifier), data, identifier)


@needs_sm2
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 2**255))
def test_a_key_is_the_same_in_every_form(value: int) -> None:
    made = sm2.private_from_value(value)
    assert sm2.load_private(made.pkcs8) == sm2.load_private(made.sec1) == made
    assert sm2.load_private(made.pkcs8, trusted=True) == made
    public = made.public_key
    assert sm2.load_public(public.spki) == sm2.public_from_point(public.compressed) == public
    assert "value" not in repr(made)


N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


@needs_sm2
@pytest.mark.parametrize("value", [0, N - 1, N, N + 5, -1])
def test_numbers_outside_1_to_n_minus_2_are_no_key(value: int) -> None:
    with pytest.raises(KeyMaterialError):
        sm2.private_from_value(value)


@pytest.mark.parametrize(
    "encoded",
    [b"", b"\0", POINT[:-1], POINT[:-1] + b"\0", b"\x06" + POINT[1:], b"\x05" + POINT[1:33], b"\x04" + b"\xff" * 64],
)
def test_what_is_not_on_the_curve_is_no_public_key(encoded: bytes) -> None:
    with pytest.raises(KeyMaterialError):
        sm2.public_from_point(encoded)


@needs_sm2
def test_a_private_key_with_another_public_key_is_refused(key: sm2.Sm2PrivateKey) -> None:
    other = sm2.generate().public_key
    with pytest.raises(KeyMaterialError):
        sm2.load_private(sm2.Sm2PrivateKey(D, other).pkcs8)


@needs_sm2
@given(st.data())
def test_altered_der_is_a_key_or_a_refusal(data: st.DataObject) -> None:
    good = bytearray(sm2.Sm2PrivateKey(D, sm2.Sm2PublicKey(POINT)).pkcs8)
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(good)))
    try:
        sm2.load_private(bytes(good[:cut]))
    except KeyMaterialError:
        return


# --- SM2 through the provider


@needs_sm2
def test_an_sm2_pair_signs_and_encrypts(provider: Provider) -> None:
    public, private = pair(provider, Algorithm.SM2, 256)
    assert (public.new.length, private.new.length) == (256, 256)
    signature = provider.sign(private.use(Purpose.SIGN), b"data", None)
    assert provider.verify(public.use(Purpose.VERIFY), b"data", None, signature)
    assert not provider.verify(public.use(Purpose.VERIFY), b"other", None, signature)
    named = Parameters(digital_signature_algorithm=vendor.SM2_WITH_SM3, p_source=b"Alice")
    other = provider.sign(private.use(Purpose.SIGN, named), b"data", None)
    assert provider.verify(public.use(Purpose.VERIFY, named), b"data", None, other)
    assert not provider.verify(public.use(Purpose.VERIFY), b"data", None, other)
    for padding, first in ((None, 0x04), (vendor.SM2_C1C3C2, 0x04), (vendor.SM2_DER, 0x30)):
        parameters = Parameters(padding_method=padding)
        encrypted = provider.encrypt(public.use(Purpose.ENCRYPT, parameters), b"secret", None, None)
        assert encrypted.data[0] == first
        assert provider.decrypt(private.use(Purpose.DECRYPT), encrypted.data, None, None, None) == b"secret"


def sm2_private(provider: Provider) -> Key:
    made = sm2.private_from_value(D)
    return stored(provider, Algorithm.SM2, made.pkcs8, ObjectType.PRIVATE_KEY, KeyFormatType.PKCS_8)


@needs_sm2
def test_digested_data_is_e_of_the_standard(software: SoftwareProvider) -> None:
    signature = software.sign(sm2_private(software).use(Purpose.SIGN), None, DIGEST)
    assert sm2.Sm2PublicKey(POINT).verify(signature, TEXT, sm2.DEFAULT_IDENTIFIER)
    with pytest.raises(InvalidParametersError):
        software.sign(sm2_private(software).use(Purpose.SIGN), None, DIGEST[:20])


@needs_sm2
@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        (Parameters(hashing_algorithm=Hashing.SHA_256), InvalidParametersError),
        (Parameters(cryptographic_algorithm=Algorithm.EC), InvalidParametersError),
        (Parameters(padding_method=PaddingMethod.PSS), InvalidParametersError),
        (Parameters(digital_signature_algorithm=vendor.ECDSA_LOW_S_WITH_SHA256), InvalidParametersError),
        (Parameters(p_source=bytes(sm2.LONGEST_IDENTIFIER + 1)), InvalidParametersError),
    ],
)
def test_sm2_signatures_take_no_other_parameters(
    software: SoftwareProvider, parameters: Parameters, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        software.sign(sm2_private(software).use(Purpose.SIGN, parameters), b"data", None)


@needs_sm2
def test_sm2_encryption_takes_no_other_padding_no_iv_and_no_empty_data(software: SoftwareProvider) -> None:
    public, _ = pair(software, Algorithm.SM2, 256)
    oaep = Parameters(padding_method=PaddingMethod.OAEP)
    with pytest.raises(UnsupportedError):
        software.encrypt(public.use(Purpose.ENCRYPT, oaep), b"data", None, None)
    for iv, aad in ((b"iv", None), (None, b"aad")):
        with pytest.raises(InvalidParametersError):
            software.encrypt(public.use(Purpose.ENCRYPT), b"data", iv, aad)
    with pytest.raises(InvalidParametersError):
        software.encrypt(public.use(Purpose.ENCRYPT), b"", None, None)


def test_a_token_without_sm2_says_so(provider: Provider) -> None:
    if provider.protection == ProtectionLevel.SOFTWARE or (Algorithm.SM2, 256) in provider.capabilities.key_algorithms:
        pytest.skip("SM2 is there")
    public = reference(ObjectType.PUBLIC_KEY, Algorithm.SM2, 256, "public")
    private = reference(ObjectType.PRIVATE_KEY, Algorithm.SM2, 256, "private")
    with pytest.raises(UnsupportedError):
        provider.generate_pair(public, private, vendor.SM2P256V1)
    with pytest.raises(UnsupportedError):
        provider.generate(reference(ObjectType.SYMMETRIC_KEY, Algorithm.SM4, 128))


# --- a second implementation


@pytest.fixture(scope="module")
def gmssl() -> Any:
    return pytest.importorskip("gmssl_pyx", reason="gmssl-pyx, the second implementation, is not installed")


@needs_sm2
def test_another_implementation_verifies_and_signs(gmssl: Any, key: sm2.Sm2PrivateKey) -> None:
    public, private = POINT[1:], D.to_bytes(32, "big")
    for identifier in (sm2.DEFAULT_IDENTIFIER, b"Alice"):
        theirs = gmssl.sm2_sign(private, public, TEXT, signer_id=identifier)
        assert key.public_key.verify(theirs, TEXT, identifier)
        assert gmssl.sm2_verify(public, TEXT, key.sign(TEXT, identifier), signer_id=identifier)


@needs_sm2
def test_another_implementation_decrypts_and_encrypts(gmssl: Any, key: sm2.Sm2PrivateKey) -> None:
    public, private = POINT[1:], D.to_bytes(32, "big")
    assert key.decrypt(gmssl.sm2_encrypt(public, PLAINTEXT)) == PLAINTEXT
    assert gmssl.sm2_decrypt(private, sm2.to_der(key.public_key.encrypt(PLAINTEXT))) == PLAINTEXT


# --- where the system has none


def test_a_missing_library_is_a_reason_and_no_crash() -> None:
    script = (
        "from kmsd.crypto import sm2, software\n"
        "from protocol.enums import CryptographicAlgorithm as A\n"
        "print(sm2.support().refusal)\n"
        "assert (A.SM2, 256) not in software.capabilities().key_algorithms\n"
        "try: sm2.generate()\n"
        "except sm2.UnsupportedError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={libcrypto.ENVIRONMENT: "/nonexistent/libcrypto.so.3", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    refusal, error = result.stdout.splitlines()
    assert "needs the system's libcrypto" in refusal
    assert error == f"SM2 is not available: {refusal}"


@pytest.mark.parametrize(
    ("machine", "release", "warns"),
    [
        ("x86_64", (3, 5), False),
        ("aarch64", (3, 0), False),
        ("aarch64", (3, 2), True),
        ("riscv64", (3, 6), True),
    ],
)
def test_processors_whose_sm2_leaks_are_warned_of(machine: str, release: tuple[int, int], warns: bool) -> None:
    assert (sm2.leak(machine, release) is not None) == warns


@pytest.mark.parametrize(
    "data",
    ["", "02", "0200", "020180", "02020001", "0281017f", "028200ff", "0201", "0301ff", "02850000000001ff", "0280"],
)
def test_what_is_not_der_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"DER|expected|too early"):
        der.Reader(bytes.fromhex(data)).integer()


@given(st.integers(0, 1 << 1100), st.binary(max_size=70000))
def test_der_is_read_as_it_was_written(number: int, content: bytes) -> None:
    encoded = der.element(der.SEQUENCE, der.integer(number) + der.element(der.OCTET_STRING, content))
    reader = der.Reader(encoded).inner()
    assert (reader.integer(), reader.content(der.OCTET_STRING)) == (number, content)
    reader.end()
