"""Key Blocks wrapped under a key of a provider."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from kmsd.crypto.errors import (
    CryptoError,
    CryptographicFailureError,
    InvalidParametersError,
    KeyMaterialError,
    UnsupportedError,
)
from kmsd.crypto.provider import Provider
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from kmsd.crypto.wrapping import HeldKey, key_block, unwrap_key_block, value_bytes, wrap_key_block
from kmsd.domain.usage import KeyUse, Purpose
from protocol.attributes import Attribute
from protocol.compiler import decode, encode
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask, EncodingOption, RecommendedCurve, WrappingMethod
from protocol.enums import KeyFormatType as Format
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    KeyWrappingData,
    KeyWrappingSpecification,
    MACSignatureKeyInformation,
    TransparentECPrivateKey,
)
from protocol.structures import CryptographicParameters as Parameters
from protocol.versions import V1_0, V1_2, V1_4, V2_1, ProtocolVersion
from tests.crypto.harness import TENANT, Key, as_the_token_can, needs_mode, pair, stored

KEK = bytes(range(16))
MATERIAL = bytes.fromhex("00112233445566778899aabbccddeeff")
RFC_3394 = bytes.fromhex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5")
INFORMATION = EncryptionKeyInformation(
    unique_identifier="kek", cryptographic_parameters=Parameters(block_cipher_mode=Mode.NIST_KEY_WRAP)
)


def specification(
    option: EncodingOption | None = None,
    method: WrappingMethod = WrappingMethod.ENCRYPT,
    information: EncryptionKeyInformation | None = INFORMATION,
) -> KeyWrappingSpecification:
    return KeyWrappingSpecification(
        wrapping_method=method, encryption_key_information=information, encoding_option=option
    )


def wrapped_with(
    block: KeyBlock, asked: KeyWrappingSpecification, provider: Provider, use: KeyUse, version: ProtocolVersion
) -> KeyBlock:
    value = value_bytes(block, asked.encoding_option, version)
    return wrap_key_block(block, value, asked, HeldKey(provider, use), None)


def unwrapped(block: KeyBlock, provider: Provider, use: KeyUse, version: ProtocolVersion) -> KeyBlock:
    return unwrap_key_block(block, version, HeldKey(provider, use), None)


def kek(provider: Provider) -> Key:
    needs_mode(provider, Mode.NIST_KEY_WRAP)
    return stored(provider, Algorithm.AES, KEK, uid="kek")


def plain(*attributes: Attribute) -> KeyBlock:
    return key_block(Format.RAW, MATERIAL, Algorithm.AES, 128, attributes=attributes)


def test_no_encoding_wraps_the_bytes_of_the_key(provider: Provider) -> None:
    # The values of the OASIS case TC-WRAP-3, which are those of RFC 3394 §4.1.
    key = kek(provider)
    asked = specification(EncodingOption.NO_ENCODING)
    wrapped = wrapped_with(plain(), asked, provider, key.use(Purpose.WRAP), V1_4)
    assert wrapped.key_value == RFC_3394
    assert (wrapped.cryptographic_algorithm, wrapped.cryptographic_length) == (Algorithm.AES, 128)
    assert wrapped.key_wrapping_data == KeyWrappingData(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=INFORMATION,
        encoding_option=EncodingOption.NO_ENCODING,
    )
    assert unwrapped(wrapped, provider, key.use(Purpose.UNWRAP), V1_4) == plain()


@pytest.mark.parametrize("version", [V1_0, V1_2, V1_4, V2_1], ids=str)
@pytest.mark.parametrize("option", [None, EncodingOption.TTLV_ENCODING])
def test_otherwise_the_whole_key_value_is_wrapped_as_ttlv(
    provider: Provider, option: EncodingOption | None, version: ProtocolVersion
) -> None:
    key = kek(provider)
    block = plain(Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT))
    wrapped = wrapped_with(block, specification(option), provider, key.use(Purpose.WRAP), version)
    assert isinstance(wrapped.key_value, bytes)
    inside = aes_key_unwrap(KEK, wrapped.key_value)
    assert decode(KeyValue, inside, version, Format.RAW) == block.key_value
    assert wrapped.key_wrapping_data is not None
    assert wrapped.key_wrapping_data.encoding_option == option
    assert unwrapped(wrapped, provider, key.use(Purpose.UNWRAP), version) == block


def test_a_transparent_key_is_wrapped_as_ttlv_only(provider: Provider) -> None:
    key = kek(provider)
    material = TransparentECPrivateKey(recommended_curve=RecommendedCurve.P_256, d=12345)
    block = key_block(Format.TRANSPARENT_EC_PRIVATE_KEY, material, Algorithm.EC, 256)
    use = key.use(Purpose.WRAP)
    wrapped = wrapped_with(block, specification(), provider, use, V1_4)
    assert unwrapped(wrapped, provider, key.use(Purpose.UNWRAP), V1_4) == block
    with pytest.raises(InvalidParametersError):
        wrapped_with(block, specification(EncodingOption.NO_ENCODING), provider, use, V1_4)


def test_no_encoding_takes_no_attributes(provider: Provider) -> None:
    use = kek(provider).use(Purpose.WRAP)
    block = plain(Attribute("Cryptographic Length", 128))
    with pytest.raises(InvalidParametersError):
        wrapped_with(block, specification(EncodingOption.NO_ENCODING), provider, use, V1_4)


def test_a_secret_of_any_length_is_wrapped_with_padding(provider: Provider) -> None:
    needs_mode(provider, Mode.AES_KEY_WRAP_PADDING)
    key = stored(provider, Algorithm.AES, KEK)
    padded = Parameters(block_cipher_mode=Mode.AES_KEY_WRAP_PADDING)
    block = key_block(Format.OPAQUE, b"a password", None, 0)
    assert (block.cryptographic_algorithm, block.cryptographic_length) == (None, None)
    asked = specification(EncodingOption.NO_ENCODING)
    with as_the_token_can(provider):
        wrapped = wrapped_with(block, asked, provider, key.use(Purpose.WRAP, padded), V1_4)
    assert unwrapped(wrapped, provider, key.use(Purpose.UNWRAP, padded), V1_4) == block


def test_an_rsa_pair_wraps_and_unwraps(software: Provider) -> None:
    public, private = pair(software, Algorithm.RSA, 2048)
    asked = specification(EncodingOption.NO_ENCODING)
    wrapped = wrapped_with(plain(), asked, software, public.use(Purpose.WRAP), V1_4)
    assert unwrapped(wrapped, software, private.use(Purpose.UNWRAP), V1_4) == plain()


def test_wrapped_bytes_may_stand_inside_a_plain_key_value(provider: Provider) -> None:
    use = kek(provider).use(Purpose.UNWRAP)
    data = KeyWrappingData(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=INFORMATION,
        encoding_option=EncodingOption.NO_ENCODING,
    )
    block = KeyBlock(
        key_format_type=Format.RAW,
        key_value=KeyValue(key_material=RFC_3394),
        cryptographic_algorithm=Algorithm.AES,
        cryptographic_length=128,
        key_wrapping_data=data,
    )
    assert unwrapped(block, provider, use, V1_4) == plain()


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (specification(method=WrappingMethod.TR_31), UnsupportedError),
        (specification(method=WrappingMethod(0x80000001)), UnsupportedError),
        (specification(method=WrappingMethod.MAC_SIGN), InvalidParametersError),
        (specification(method=WrappingMethod.ENCRYPT_THEN_MAC_SIGN), InvalidParametersError),
        (specification(information=None), InvalidParametersError),
        (specification(EncodingOption(0x80000001)), UnsupportedError),
        (
            KeyWrappingSpecification(
                wrapping_method=WrappingMethod.ENCRYPT,
                encryption_key_information=INFORMATION,
                mac_signature_key_information=MACSignatureKeyInformation(unique_identifier="mac"),
            ),
            InvalidParametersError,
        ),
    ],
)
def test_other_ways_of_wrapping_are_refused(
    software: Provider, asked: KeyWrappingSpecification, error: type[CryptoError]
) -> None:
    with pytest.raises(error):
        wrapped_with(plain(), asked, software, kek(software).use(Purpose.WRAP), V1_4)


def test_what_is_wrapped_is_not_wrapped_again_nor_what_is_plain_unwrapped(software: Provider) -> None:
    key = kek(software)
    wrapped = wrapped_with(plain(), specification(), software, key.use(Purpose.WRAP), V1_4)
    with pytest.raises(InvalidParametersError):
        wrapped_with(wrapped, specification(), software, key.use(Purpose.WRAP), V1_4)
    with pytest.raises(InvalidParametersError):
        unwrapped(plain(), software, key.use(Purpose.UNWRAP), V1_4)


def _wrapped_block(value: KeyValue | bytes | None, option: EncodingOption | None) -> KeyBlock:
    return KeyBlock(
        key_format_type=Format.RAW,
        key_value=value,
        key_wrapping_data=KeyWrappingData(
            wrapping_method=WrappingMethod.ENCRYPT,
            encryption_key_information=INFORMATION,
            encoding_option=option,
        ),
    )


@pytest.mark.parametrize("value", [None, b"", KeyValue(key_material=b"")])
def test_there_must_be_something_to_unwrap(software: Provider, value: KeyValue | bytes | None) -> None:
    with pytest.raises(KeyMaterialError):
        unwrapped(_wrapped_block(value, None), software, kek(software).use(Purpose.UNWRAP), V1_4)


FOREIGN: dict[str, Callable[[], bytes]] = {
    "no ttlv": lambda: bytes(16),
    "another structure": lambda: encode(Parameters(tag_length=16), V1_4),
    "trailing bytes": lambda: encode(KeyValue(key_material=MATERIAL), V1_4, Format.RAW) + bytes(8),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_opens_but_is_no_key_value_fails_as_a_wrong_key_does(
    software: Provider, content: Callable[[], bytes]
) -> None:
    value = aes_key_wrap(KEK, content())
    with pytest.raises(CryptographicFailureError):
        unwrapped(_wrapped_block(value, None), software, kek(software).use(Purpose.UNWRAP), V1_4)


OWN = SoftwareProvider(Sealer({TENANT: new_data_key()}))


@given(st.binary(min_size=1, max_size=64), st.sampled_from([None, *EncodingOption]))
def test_random_wrapped_bytes_never_open(value: bytes, option: EncodingOption | None) -> None:
    with pytest.raises(CryptographicFailureError):
        unwrapped(_wrapped_block(value, option), OWN, kek(OWN).use(Purpose.UNWRAP), V1_4)
