"""Key Blocks under authenticated modes, MACs and signatures: each checked with the primitives themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from kmsd.crypto.errors import (
    CryptographicFailureError,
    EncodingOptionError,
    InvalidParametersError,
    MissingIVError,
    TagLengthError,
    UnsupportedError,
)
from kmsd.crypto.provider import Provider
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from kmsd.crypto.wrapping import HeldKey, check_specification, unwrap_key_block, value_bytes, wrap_key_block
from kmsd.domain.usage import Purpose
from protocol.attributes import Attribute
from protocol.compiler import encode
from protocol.enums import BlockCipherMode as Mode
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import EncodingOption, RecommendedCurve, WrappingMethod
from protocol.enums import KeyFormatType as Format
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyWrappingSpecification,
    MACSignatureKeyInformation,
)
from protocol.structures import CryptographicParameters as Parameters
from protocol.versions import V1_4
from tests.crypto.harness import TENANT, Key, as_the_token_can, needs_mode, pair, stored
from tests.crypto.test_wrapping import KEK, MATERIAL, kek, plain

MAC_KEY = bytes(range(100, 132))
NO_ENCODING, TTLV = EncodingOption.NO_ENCODING, EncodingOption.TTLV_ENCODING
ENCRYPTION = EncryptionKeyInformation(unique_identifier="kek")
AUTHENTICATION = MACSignatureKeyInformation(unique_identifier="mac")

METHODS = {
    WrappingMethod.MAC_SIGN: (None, AUTHENTICATION),
    WrappingMethod.ENCRYPT_THEN_MAC_SIGN: (ENCRYPTION, AUTHENTICATION),
    WrappingMethod.MAC_SIGN_THEN_ENCRYPT: (ENCRYPTION, AUTHENTICATION),
}


def asked(method: WrappingMethod, option: EncodingOption | None = NO_ENCODING) -> KeyWrappingSpecification:
    encryption, authentication = METHODS.get(method, (ENCRYPTION, None))
    return KeyWrappingSpecification(
        wrapping_method=method,
        encryption_key_information=encryption,
        mac_signature_key_information=authentication,
        encoding_option=option,
    )


def wrap(
    block: KeyBlock,
    specification: KeyWrappingSpecification,
    encryption: HeldKey | None = None,
    authentication: HeldKey | None = None,
) -> KeyBlock:
    value = value_bytes(block, specification.encoding_option, V1_4)
    return wrap_key_block(block, value, specification, encryption, authentication)


def held(key: Key, purpose: Purpose, parameters: Parameters | None = None) -> HeldKey:
    return HeldKey(key.provider, key.use(purpose, parameters))


def data_of(block: KeyBlock) -> tuple[bytes, Any]:
    assert isinstance(block.key_value, bytes)
    return block.key_value, block.key_wrapping_data


# --- authenticated modes

AEADS: list[tuple[Algorithm, Mode, int, Callable[[bytes, int], Any]]] = [
    (Algorithm.AES, Mode.GCM, 16, lambda key, tag: AESGCM(key)),
    (Algorithm.AES, Mode.CCM, 16, AESCCM),
    (Algorithm.AES, Mode.CCM, 8, AESCCM),
    (Algorithm.CHACHA20_POLY1305, Mode.AEAD, 16, lambda key, tag: ChaCha20Poly1305(key)),
]


@pytest.mark.parametrize("option", [None, NO_ENCODING, TTLV])
@pytest.mark.parametrize(("algorithm", "mode", "tag", "cipher"), AEADS, ids=lambda value: getattr(value, "name", ""))
def test_a_mode_that_authenticates_wraps_with_a_nonce_of_the_server_s_and_the_tag_behind(
    provider: Provider,
    algorithm: Algorithm,
    mode: Mode,
    tag: int,
    cipher: Callable[[bytes, int], Any],
    option: EncodingOption | None,
) -> None:
    if (algorithm, mode) not in provider.capabilities.cipher_modes:
        pytest.skip(f"no {algorithm.name} {mode.name} here")
    key = stored(provider, algorithm, MAC_KEY)
    parameters = Parameters(block_cipher_mode=mode, tag_length=tag)
    block = plain() if option == NO_ENCODING else plain(Attribute("Cryptographic Length", 128))
    expected = MATERIAL if option == NO_ENCODING else encode(block.key_value, V1_4, Format.RAW)
    nonces = set()
    for _ in range(2):
        made = wrap(block, asked(WrappingMethod.ENCRYPT, option), held(key, Purpose.WRAP, parameters))
        value, data = data_of(made)
        nonces.add(data.iv_counter_nonce)
        assert len(data.iv_counter_nonce) == 12
        assert len(value) == len(expected) + tag
        assert cipher(MAC_KEY, tag).decrypt(data.iv_counter_nonce, value, None) == expected
        assert unwrap_key_block(made, V1_4, held(key, Purpose.UNWRAP, parameters), None) == block
    assert len(nonces) == 2


def test_gcm_with_a_short_tag_and_a_long_nonce_is_opened_as_it_says(provider: Provider) -> None:
    needs_mode(provider, Mode.GCM)
    key = stored(provider, Algorithm.AES, KEK)
    parameters = Parameters(block_cipher_mode=Mode.GCM, tag_length=12, iv_length=128)
    with as_the_token_can(provider):  # some take nonces of 12 bytes only
        made = wrap(plain(), asked(WrappingMethod.ENCRYPT), held(key, Purpose.WRAP, parameters))
    value, data = data_of(made)
    assert len(data.iv_counter_nonce) == 16
    whole = AESGCM(KEK).encrypt(data.iv_counter_nonce, MATERIAL, None)
    assert value == whole[:-4]
    assert unwrap_key_block(made, V1_4, held(key, Purpose.UNWRAP, parameters), None) == plain()


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (Parameters(block_cipher_mode=Mode.GCM, random_iv=False), InvalidParametersError),
        (Parameters(block_cipher_mode=Mode.CCM, iv_length=56), InvalidParametersError),
        (Parameters(block_cipher_mode=Mode.GCM, tag_length=8), TagLengthError),
        *((Parameters(block_cipher_mode=mode), UnsupportedError) for mode in (Mode.CBC, Mode.ECB, Mode.CTR, Mode.XTS)),
    ],
)
def test_no_other_nonce_and_no_other_mode(provider: Provider, parameters: Parameters, error: type[Exception]) -> None:
    key = stored(provider, Algorithm.AES, KEK)
    with pytest.raises(error):
        wrap(plain(), asked(WrappingMethod.ENCRYPT), held(key, Purpose.WRAP, parameters))


def test_what_gcm_did_not_make_does_not_open(provider: Provider) -> None:
    needs_mode(provider, Mode.GCM)
    gcm = held(stored(provider, Algorithm.AES, KEK), Purpose.UNWRAP, Parameters(block_cipher_mode=Mode.GCM))
    nonce = bytes(range(12))
    sealed = AESGCM(KEK).encrypt(nonce, MATERIAL, None)
    made = wrap(
        plain(),
        asked(WrappingMethod.ENCRYPT),
        held(kek(provider), Purpose.WRAP, Parameters(block_cipher_mode=Mode.GCM)),
    )

    def with_value(value: bytes, iv: bytes | None) -> KeyBlock:
        assert made.key_wrapping_data is not None
        return replace(made, key_value=value, key_wrapping_data=replace(made.key_wrapping_data, iv_counter_nonce=iv))

    assert unwrap_key_block(with_value(sealed, nonce), V1_4, gcm, None) == plain()
    with pytest.raises(MissingIVError):
        unwrap_key_block(with_value(sealed, None), V1_4, gcm, None)
    for iv in (b"1234567", bytes(200)):
        with pytest.raises(InvalidParametersError):
            unwrap_key_block(with_value(sealed, iv), V1_4, gcm, None)
    broken = [bytes([sealed[0] ^ 1]) + sealed[1:], sealed[:-1], sealed[:16], sealed[:3]]
    for value, iv in [(sealed, bytes(12)), *((value, nonce) for value in broken)]:
        with pytest.raises(CryptographicFailureError):
            unwrap_key_block(with_value(value, iv), V1_4, gcm, None)


def test_key_wrap_takes_no_nonce(provider: Provider) -> None:
    key = kek(provider)
    made = wrap(plain(), asked(WrappingMethod.ENCRYPT), held(key, Purpose.WRAP))
    assert made.key_wrapping_data is not None
    made = replace(made, key_wrapping_data=replace(made.key_wrapping_data, iv_counter_nonce=bytes(8)))
    with pytest.raises(InvalidParametersError):
        unwrap_key_block(made, V1_4, held(key, Purpose.UNWRAP), None)


# --- MACs and signatures


class Authenticator:
    """A key with its two permits, and the primitive that checks what it makes."""

    def __init__(self, makes: HeldKey, checks: HeldKey, verify: Callable[[bytes, bytes], None]) -> None:
        self.makes, self.checks, self.verify = makes, checks, verify


def _hmac(provider: Provider) -> Authenticator:
    if Algorithm.HMAC_SHA256 not in provider.capabilities.macs:
        pytest.skip("no HMAC here")
    key = stored(provider, Algorithm.HMAC_SHA256, MAC_KEY, uid="mac")

    def verify(value: bytes, given: bytes) -> None:
        context = HMAC(MAC_KEY, hashes.SHA256())
        context.update(value)
        context.verify(given)

    return Authenticator(held(key, Purpose.MAC_GENERATE), held(key, Purpose.MAC_VERIFY), verify)


def _cmac(provider: Provider) -> Authenticator:
    if Algorithm.AES not in provider.capabilities.macs:
        pytest.skip("no CMAC here")
    key = stored(provider, Algorithm.AES, MAC_KEY, uid="mac")

    def verify(value: bytes, given: bytes) -> None:
        context = CMAC(AES(MAC_KEY))
        context.update(value)
        context.verify(given)

    return Authenticator(held(key, Purpose.MAC_GENERATE), held(key, Purpose.MAC_VERIFY), verify)


def _signature(
    provider: Provider, public: Key, private: Key, verify: Callable[[Any, bytes, bytes], None]
) -> Authenticator:
    spki = provider.export(public.use(Purpose.EXPORT))
    return Authenticator(
        held(private, Purpose.SIGN),
        held(public, Purpose.VERIFY),
        lambda value, given: verify(load_der_public_key(spki), value, given),
    )


def _rsa(provider: Provider) -> Authenticator:
    def verify(key: Any, value: bytes, given: bytes) -> None:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(given, value, padding.PKCS1v15(), hashes.SHA256())

    return _signature(provider, *pair(provider, Algorithm.RSA, 2048), verify)


def _ec(provider: Provider) -> Authenticator:
    def verify(key: Any, value: bytes, given: bytes) -> None:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(given, value, ec.ECDSA(hashes.SHA256()))

    return _signature(provider, *pair(provider, Algorithm.EC, 256, RecommendedCurve.P_256), verify)


AUTHENTICATORS = {"HMAC": _hmac, "CMAC": _cmac, "RSA": _rsa, "EC": _ec}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("kind", AUTHENTICATORS)
def test_a_mac_or_a_signature_is_of_the_key_value_as_the_method_has_it(
    provider: Provider, kind: str, method: WrappingMethod
) -> None:
    authenticator = AUTHENTICATORS[kind](provider)
    key = kek(provider) if method != WrappingMethod.MAC_SIGN else None
    wrapping = held(key, Purpose.WRAP) if key is not None else None
    unwrapping = held(key, Purpose.UNWRAP) if key is not None else None
    for option in (None, NO_ENCODING, TTLV):
        made = wrap(plain(), asked(method, option), wrapping, authenticator.makes)
        value, data = data_of(made)
        expected = MATERIAL if option == NO_ENCODING else encode(plain().key_value, V1_4, Format.RAW)
        assert (aes_key_unwrap(KEK, value) if key is not None else value) == expected
        covered = value if method == WrappingMethod.ENCRYPT_THEN_MAC_SIGN else expected
        authenticator.verify(covered, data.mac_signature)
        if key is not None:
            with pytest.raises(InvalidSignature):
                authenticator.verify(expected if covered == value else value, data.mac_signature)
        assert unwrap_key_block(made, V1_4, unwrapping, authenticator.checks) == plain()
        for mac in (bytes([data.mac_signature[0] ^ 1]) + data.mac_signature[1:], data.mac_signature[:-1], b"?"):
            forged = replace(made, key_wrapping_data=replace(data, mac_signature=mac))
            with pytest.raises(CryptographicFailureError):
                unwrap_key_block(forged, V1_4, unwrapping, authenticator.checks)
        swapped = replace(made, key_value=value[::-1])
        with pytest.raises(CryptographicFailureError):
            unwrap_key_block(swapped, V1_4, unwrapping, authenticator.checks)


def test_gcm_and_a_mac_together(software: Provider) -> None:
    mac = _hmac(software)
    parameters = Parameters(block_cipher_mode=Mode.GCM)
    key = stored(software, Algorithm.AES, KEK, uid="kek")
    for method in (WrappingMethod.ENCRYPT_THEN_MAC_SIGN, WrappingMethod.MAC_SIGN_THEN_ENCRYPT):
        made = wrap(plain(), asked(method), held(key, Purpose.WRAP, parameters), mac.makes)
        value, data = data_of(made)
        assert AESGCM(KEK).decrypt(data.iv_counter_nonce, value, None) == MATERIAL
        # With the tag, which is of the Key Value; without the nonce, which is not.
        mac.verify(value if method == WrappingMethod.ENCRYPT_THEN_MAC_SIGN else MATERIAL, data.mac_signature)
        assert unwrap_key_block(made, V1_4, held(key, Purpose.UNWRAP, parameters), mac.checks) == plain()
        moved = replace(made, key_wrapping_data=replace(data, iv_counter_nonce=bytes(12)))
        with pytest.raises(CryptographicFailureError):
            unwrap_key_block(moved, V1_4, held(key, Purpose.UNWRAP, parameters), mac.checks)


def test_what_is_missing_or_too_much_is_refused(software: Provider) -> None:
    mac = _hmac(software)
    wrapping, unwrapping = held(kek(software), Purpose.WRAP), held(kek(software), Purpose.UNWRAP)
    for method in METHODS:
        for changes in ({"encryption_key_information": None}, {"mac_signature_key_information": None}):
            specification = replace(asked(method), **changes)  # type: ignore[arg-type]
            if specification != asked(method):
                with pytest.raises(InvalidParametersError):
                    check_specification(specification)
    with pytest.raises(InvalidParametersError):
        check_specification(replace(asked(WrappingMethod.MAC_SIGN), encryption_key_information=ENCRYPTION))
    # Nor does the value leave plain, or come in unchecked, where the caller brings too few keys.
    both = asked(WrappingMethod.ENCRYPT_THEN_MAC_SIGN)
    for keys in ((None, None), (wrapping, None), (None, mac.makes)):
        with pytest.raises(InvalidParametersError):
            wrap(plain(), both, *keys)
    made = wrap(plain(), both, wrapping, mac.makes)
    _, data = data_of(made)
    for some in ((None, None), (unwrapping, None), (None, mac.checks)):
        with pytest.raises(InvalidParametersError):
            unwrap_key_block(made, V1_4, *some)
    unsigned = replace(made, key_wrapping_data=replace(data, mac_signature=None))
    with pytest.raises(InvalidParametersError):
        unwrap_key_block(unsigned, V1_4, unwrapping, mac.checks)
    plainly = wrap(plain(), asked(WrappingMethod.ENCRYPT), wrapping)
    signed = replace(plainly, key_wrapping_data=replace(data_of(plainly)[1], mac_signature=b"unasked"))
    with pytest.raises(InvalidParametersError):
        unwrap_key_block(signed, V1_4, unwrapping, None)
    beside = wrap(plain(), asked(WrappingMethod.MAC_SIGN), None, mac.makes)
    with_nonce = replace(beside, key_wrapping_data=replace(data_of(beside)[1], iv_counter_nonce=bytes(12)))
    with pytest.raises(InvalidParametersError):
        unwrap_key_block(with_nonce, V1_4, None, mac.checks)
    with pytest.raises(EncodingOptionError):
        value_bytes(plain(Attribute("Cryptographic Length", 128)), NO_ENCODING, V1_4)


OWN = SoftwareProvider(Sealer({TENANT: new_data_key()}))
OWN_KEK = stored(OWN, Algorithm.AES, KEK, uid="kek")
OWN_MAC = _hmac(OWN)
GCM = Parameters(block_cipher_mode=Mode.GCM)
_LIKE_IT = wrap(plain(), asked(WrappingMethod.ENCRYPT_THEN_MAC_SIGN), held(OWN_KEK, Purpose.WRAP, GCM), OWN_MAC.makes)


@given(
    st.binary(min_size=1, max_size=80),
    st.binary(min_size=8, max_size=16),
    st.binary(min_size=1, max_size=40),
    st.sampled_from([*METHODS, WrappingMethod.ENCRYPT]),
    st.sampled_from([None, *EncodingOption]),
)
def test_nothing_that_others_made_is_taken(
    value: bytes, nonce: bytes, mac: bytes, method: WrappingMethod, option: EncodingOption | None
) -> None:
    encryption, authentication = METHODS.get(method, (ENCRYPTION, None))
    assert _LIKE_IT.key_wrapping_data is not None
    data = replace(
        _LIKE_IT.key_wrapping_data,
        wrapping_method=method,
        encryption_key_information=encryption,
        mac_signature_key_information=authentication,
        mac_signature=mac if authentication is not None else None,
        iv_counter_nonce=nonce if encryption is not None else None,
        encoding_option=option,
    )
    block = replace(_LIKE_IT, key_value=value, key_wrapping_data=data)
    with pytest.raises(CryptographicFailureError):
        unwrap_key_block(
            block,
            V1_4,
            held(OWN_KEK, Purpose.UNWRAP, GCM) if encryption is not None else None,
            OWN_MAC.checks if authentication is not None else None,
        )
