"""Encrypt, Decrypt, Sign, Signature Verify, MAC, MAC Verify, Hash, RNG Retrieve through the handlers."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from protocol.attributes import Attribute
from protocol.enums import (
    BlockCipherMode,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    PaddingMethod,
    ResultReason,
    UsageLimitsUnit,
    ValidityIndicator,
)
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.hash import HashRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.rng_retrieve import RNGRetrieveRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import CryptographicParameters, UsageLimits
from protocol.versions import V1_2, V1_3, V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import activate, attributes, create, pair, register, revoke, shown

Algorithm = CryptographicAlgorithm
Mask = CryptographicUsageMask
WITH_CRYPTOGRAPHY = [V1_2, V1_3, V1_4, V2_0, V2_1]
GCM = CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM, tag_length=16)
CBC = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5)
IV = bytes(range(16))


async def active(app: Caller, request: Any) -> Any:
    response = await app.call(request)
    for uid in (
        getattr(response, name)
        for name in ("unique_identifier", "private_key_unique_identifier", "public_key_unique_identifier")
        if hasattr(response, name)
    ):
        await app.call(activate(uid))
    return response


@pytest.fixture
async def aes(app: Caller) -> str:
    return str((await active(app, register(bytes(range(32))))).unique_identifier)


@pytest.mark.parametrize("version", WITH_CRYPTOGRAPHY)
async def test_the_gcm_tag_is_a_field_since_1_4_and_follows_the_data_before(
    app: Caller, aes: str, version: Any
) -> None:
    app = app.at(version)
    request = EncryptRequest(unique_identifier=aes, cryptographic_parameters=GCM, data=b"secret", iv_counter_nonce=IV)
    encrypted = await app.call(request)
    if version >= V1_4:
        assert len(encrypted.authenticated_encryption_tag) == 16
        assert len(encrypted.data) == 6
    else:
        assert len(encrypted.data) == 6 + 16
    back = DecryptRequest(
        unique_identifier=aes,
        cryptographic_parameters=GCM,
        data=encrypted.data,
        iv_counter_nonce=IV,
        authenticated_encryption_tag=encrypted.authenticated_encryption_tag,
    )
    assert (await app.call(back)).data == b"secret"
    back.data = bytes([encrypted.data[0] ^ 1]) + encrypted.data[1:]
    assert await app.refused(back) == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_without_parameters_the_server_chooses_well_and_decrypts_again(app: Caller, aes: str) -> None:
    encrypted = await app.call(EncryptRequest(unique_identifier=aes, data=b"secret"))
    back = DecryptRequest(
        unique_identifier=aes,
        data=encrypted.data,
        iv_counter_nonce=encrypted.iv_counter_nonce,
        authenticated_encryption_tag=encrypted.authenticated_encryption_tag,
    )
    assert (await app.call(back)).data == b"secret"


async def test_the_keys_own_parameters_are_the_default(app: Caller) -> None:
    uid = (await active(app, create(Attribute("Cryptographic Parameters", CBC)))).unique_identifier
    encrypted = await app.call(EncryptRequest(unique_identifier=uid, data=bytes(16), iv_counter_nonce=IV))
    assert len(encrypted.data) == 32


@pytest.mark.parametrize("state", ["pre-active", "deactivated", "too late"])
async def test_protection_needs_an_active_key(app: Caller, server: Server, state: str) -> None:
    uid = (await app.call(create(Attribute("Protect Stop Date", NOW + 50)))).unique_identifier
    if state != "pre-active":
        await app.call(activate(uid))
    if state == "deactivated":
        await app.call(revoke(uid))
    if state == "too late":
        server.now += 60
    request = EncryptRequest(unique_identifier=uid, cryptographic_parameters=CBC, data=b"x", iv_counter_nonce=IV)
    assert await app.at(V2_1).refused(request) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert await app.at(V1_4).refused(request) == ResultReason.PERMISSION_DENIED


async def test_a_deactivated_key_still_decrypts(app: Caller, aes: str) -> None:
    request = EncryptRequest(unique_identifier=aes, cryptographic_parameters=CBC, data=b"x", iv_counter_nonce=IV)
    encrypted = await app.call(request)
    await app.call(revoke(aes))
    back = DecryptRequest(unique_identifier=aes, cryptographic_parameters=CBC, data=encrypted.data, iv_counter_nonce=IV)
    assert (await app.call(back)).data == b"x"


async def test_usage_limits_are_charged_and_end(app: Caller) -> None:
    limits = Attribute("Usage Limits", UsageLimits(usage_limits_total=20, usage_limits_unit=UsageLimitsUnit.BYTE))
    uid = (await active(app, create(limits))).unique_identifier
    request = EncryptRequest(unique_identifier=uid, data=bytes(15))
    await app.call(request)
    assert shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count == 5
    assert await app.at(V2_1).refused(request) == ResultReason.PERMISSION_DENIED
    assert shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count == 5


@pytest.mark.parametrize("version", WITH_CRYPTOGRAPHY)
async def test_decrypting_without_the_iv_is_an_invalid_message(app: Caller, aes: str, version: Any) -> None:
    request = DecryptRequest(unique_identifier=aes, cryptographic_parameters=CBC, data=bytes(16))
    assert await app.at(version).refused(request) == ResultReason.INVALID_MESSAGE


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (CryptographicParameters(block_cipher_mode=BlockCipherMode.CFB), "unsupported"),
        (CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM, tag_length=4), "tag"),
        (CryptographicParameters(padding_method=PaddingMethod.PKCS5), "bad"),
    ],
)
async def test_parameters_that_do_not_work_are_named(app: Caller, aes: str, parameters: Any, reason: str) -> None:
    request = EncryptRequest(unique_identifier=aes, cryptographic_parameters=parameters, data=b"x", iv_counter_nonce=IV)
    assert (
        await app.at(V2_1).refused(request)
        == {
            "unsupported": ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
            "bad": ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS,
            "tag": ResultReason.GENERAL_FAILURE,
        }[reason]
    )


@pytest.mark.parametrize("version", WITH_CRYPTOGRAPHY)
@pytest.mark.parametrize(
    ("algorithm", "length", "parameters"),
    [
        (
            Algorithm.RSA,
            2048,
            CryptographicParameters(digital_signature_algorithm=DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION),
        ),
        (
            Algorithm.RSA,
            2048,
            CryptographicParameters(padding_method=PaddingMethod.PSS, hashing_algorithm=HashingAlgorithm.SHA_256),
        ),
        (
            Algorithm.ECDSA,
            256,
            CryptographicParameters(digital_signature_algorithm=DigitalSignatureAlgorithm.ECDSA_WITH_SHA256),
        ),
    ],
)
async def test_a_signature_verifies_and_a_changed_message_does_not(
    app: Caller, version: Any, algorithm: Any, length: int, parameters: Any
) -> None:
    made = await active(app.at(version), pair(algorithm, length))
    app = app.at(version)
    signed = await app.call(
        SignRequest(
            unique_identifier=made.private_key_unique_identifier, cryptographic_parameters=parameters, data=b"message"
        )
    )
    for data, validity in ((b"message", ValidityIndicator.VALID), (b"another", ValidityIndicator.INVALID)):
        verified = await app.call(
            SignatureVerifyRequest(
                unique_identifier=made.public_key_unique_identifier,
                cryptographic_parameters=parameters,
                data=data,
                signature_data=signed.signature_data,
            )
        )
        assert verified.validity_indicator == validity


async def test_a_digest_is_signed_as_the_message_would_be(app: Caller) -> None:
    made = await active(app, pair())
    parameters = CryptographicParameters(
        digital_signature_algorithm=DigitalSignatureAlgorithm.SHA_256_WITH_RSA_ENCRYPTION
    )
    common = {
        "unique_identifier": made.private_key_unique_identifier,
        "cryptographic_parameters": parameters,
    }
    of_data = await app.call(SignRequest(**common, data=b"message"))
    of_digest = await app.call(SignRequest(**common, digested_data=hashlib.sha256(b"message").digest()))
    assert of_data.signature_data == of_digest.signature_data


async def test_rsa_encrypts_to_the_public_key_and_the_private_one_opens(app: Caller) -> None:
    made = await active(app, pair())
    encrypted = await app.call(EncryptRequest(unique_identifier=made.public_key_unique_identifier, data=b"secret"))
    back = DecryptRequest(unique_identifier=made.private_key_unique_identifier, data=encrypted.data)
    assert (await app.call(back)).data == b"secret"


@pytest.mark.parametrize("version", WITH_CRYPTOGRAPHY)
async def test_a_mac_is_that_of_rfc_2104(app: Caller, version: Any) -> None:
    app = app.at(version)
    usage = Mask.MAC_GENERATE | Mask.MAC_VERIFY
    request = register(bytes(32), usage=usage)
    request.managed_object.key_block.cryptographic_algorithm = Algorithm.HMAC_SHA256  # type: ignore[attr-defined]
    uid = (await active(app, request)).unique_identifier
    made = await app.call(MACRequest(unique_identifier=uid, data=b"message"))
    assert made.mac_data == hmac.digest(bytes(32), b"message", "sha256")
    for mac, validity in ((made.mac_data, ValidityIndicator.VALID), (bytes(32), ValidityIndicator.INVALID)):
        verify = MACVerifyRequest(unique_identifier=uid, data=b"message", mac_data=mac)
        assert (await app.call(verify)).validity_indicator == validity


async def test_hashes_and_random_bytes(app: Caller) -> None:
    parameters = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_512)
    hashed = await app.call(HashRequest(cryptographic_parameters=parameters, data=b"message"))
    assert hashed.data == hashlib.sha512(b"message").digest()
    drawn = {(await app.call(RNGRetrieveRequest(data_length=32))).data for _ in range(4)}
    assert len(drawn) == 4
    for length in (0, -1, 1 << 20):
        assert await app.refused(RNGRetrieveRequest(data_length=length)) == ResultReason.INVALID_FIELD
