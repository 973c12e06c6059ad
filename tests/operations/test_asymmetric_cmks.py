"""Pairs and MAC keys of the key service, used with KMIP's own operations, by CMK, by alias and by version."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kmsd.crypto import sm2
from kmsd.domain.cmk import from_object
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.transport import TRANSPORTS
from protocol import vendor
from protocol.enums import (
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    MaskGenerator,
    PaddingMethod,
    ResultReason,
    ValidityIndicator,
)
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get_public_key import GetPublicKeyRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V2_1
from tests.operations import cmks
from tests.operations.conftest import Caller, Server

OAEP_SHA_256, OAEP_SHA_1 = (TRANSPORTS[f"RSAES_OAEP_{name}"].parameters for name in ("SHA_256", "SHA_1"))
PSS = CryptographicParameters(
    padding_method=PaddingMethod.PSS,
    hashing_algorithm=HashingAlgorithm.SHA_256,
    digital_signature_algorithm=DigitalSignatureAlgorithm.RSASSA_PSS,
    mask_generator=MaskGenerator.MGF1,
    mask_generator_hashing_algorithm=HashingAlgorithm.SHA_256,
    salt_length=32,
)
PKCS1 = CryptographicParameters(padding_method=PaddingMethod.PKCS1_V1_5, hashing_algorithm=HashingAlgorithm.SHA_256)
SHA_256 = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)
DIGEST = hashlib.sha256(b"text").digest()
VALID, INVALID = ValidityIndicator.VALID, ValidityIndicator.INVALID
SM2 = pytest.mark.skipif(not sm2.support().available, reason="the system's libcrypto has no SM2 that can be used")


async def made(app: Caller, spec: str, usage: str | None = None, **more: Any) -> str:
    cmks.allow(app.server, spec)
    uid: str = (await app.call(CreateCMKRequest(key_spec=spec, key_usage=usage, **more))).metadata.unique_identifier
    return uid


async def public_key(app: Caller, key: str) -> Any:
    return load_pem_public_key((await app.call(GetPublicKeyRequest(unique_identifier=key))).public_key_pem.encode())


def sign(key: str, parameters: CryptographicParameters | None, digest: bytes = DIGEST) -> SignRequest:
    return SignRequest(unique_identifier=key, cryptographic_parameters=parameters, digested_data=digest)


async def verified(
    app: Caller, key: str, signature: bytes, parameters: CryptographicParameters | None, digest: bytes = DIGEST
) -> Any:
    request = SignatureVerifyRequest(
        unique_identifier=key, cryptographic_parameters=parameters, digested_data=digest, signature_data=signature
    )
    return (await app.call(request)).validity_indicator


# --- encryption


@pytest.mark.parametrize(
    ("spec", "parameters", "most"),
    [
        ("RSA_2048", OAEP_SHA_256, 190),
        ("RSA_2048", OAEP_SHA_1, 214),
        ("RSA_3072", OAEP_SHA_256, 318),
        ("RSA_3072", OAEP_SHA_1, 342),
        ("RSA_4096", OAEP_SHA_256, 446),
        ("RSA_4096", OAEP_SHA_1, 470),
    ],
)
async def test_rsa_takes_as_much_as_its_padding_leaves(
    app: Caller, spec: str, parameters: CryptographicParameters, most: int
) -> None:
    cmk = await cmks.make_cmk(app, spec, "ENCRYPT/DECRYPT")
    for size in (1, most - 1, most):
        data = bytes(range(256)) * 2
        encrypt = EncryptRequest(unique_identifier=cmk.uid, cryptographic_parameters=parameters, data=data[:size])
        answer = await app.call(encrypt)
        assert len(answer.data) == cmk.spec.length // 8
        decrypt = DecryptRequest(unique_identifier=cmk.uid, cryptographic_parameters=parameters, data=answer.data)
        assert (await app.call(decrypt)).data == data[:size]
    over = EncryptRequest(unique_identifier=cmk.uid, cryptographic_parameters=parameters, data=bytes(most + 1))
    assert await app.refused(over) == ResultReason.INVALID_FIELD
    for length in (0, cmk.spec.length // 8 - 1, cmk.spec.length // 8 + 1):
        bad = DecryptRequest(unique_identifier=cmk.uid, cryptographic_parameters=parameters, data=bytes(length))
        assert await app.refused(bad) in (ResultReason.CRYPTOGRAPHIC_FAILURE, ResultReason.INVALID_FIELD)


async def test_what_an_older_version_encrypted_it_decrypts_by_its_own_identifier(app: Caller) -> None:
    uid = await made(app, "RSA_2048", "ENCRYPT/DECRYPT", alias_names=("alias/rsa",))
    old = (await app.call(GetPublicKeyRequest(unique_identifier=uid))).unique_identifier
    encrypt = EncryptRequest(unique_identifier="alias/rsa", cryptographic_parameters=OAEP_SHA_256, data=b"secret")
    answer = await app.call(encrypt)
    assert answer.unique_identifier == old
    first = await _primary(app, uid)
    await app.call(RotateCMKRequest(unique_identifier=uid))
    by_version = DecryptRequest(unique_identifier=first, cryptographic_parameters=OAEP_SHA_256, data=answer.data)
    assert (await app.call(by_version)).data == b"secret"
    by_cmk = DecryptRequest(unique_identifier=uid, cryptographic_parameters=OAEP_SHA_256, data=answer.data)
    assert await app.refused(by_cmk) == ResultReason.CRYPTOGRAPHIC_FAILURE
    again = EncryptRequest(unique_identifier=old, cryptographic_parameters=OAEP_SHA_256, data=b"secret")
    assert await app.at(V2_1).refused(again) == ResultReason.WRONG_KEY_LIFECYCLE_STATE


async def _primary(app: Caller, uid: str) -> str:
    found = cmks.stored(app.server, uid)
    primary = from_object(found).primary
    assert primary is not None
    return primary


# --- signatures


@pytest.mark.parametrize("parameters", [PSS, PKCS1], ids=["PSS", "PKCS1"])
async def test_rsa_signatures_are_what_others_verify(app: Caller, parameters: CryptographicParameters) -> None:
    uid = await made(app, "RSA_2048")
    signature = (await app.call(sign(uid, parameters))).signature_data
    key: rsa.RSAPublicKey = await public_key(app, uid)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if parameters is PSS else padding.PKCS1v15()
    key.verify(signature, DIGEST, scheme, utils.Prehashed(hashes.SHA256()))
    assert await verified(app, uid, signature, parameters) == VALID
    # A wrong signature is an answer, and no error.
    assert await verified(app, uid, signature, parameters, bytes(32)) == INVALID
    assert await verified(app, uid, bytes(256), parameters) == INVALID


@pytest.mark.parametrize("spec", ["EC_P256", "EC_P256K"])
async def test_ecdsa_signatures_are_what_others_verify(app: Caller, spec: str) -> None:
    uid = await made(app, spec)
    signature = (await app.call(sign(uid, SHA_256))).signature_data
    key: ec.EllipticCurvePublicKey = await public_key(app, uid)
    key.verify(signature, DIGEST, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    assert await verified(app, uid, signature, SHA_256) == VALID
    assert await verified(app, uid, b"no signature", SHA_256) == INVALID


@pytest.mark.parametrize("length", [31, 33, 0])
async def test_a_digest_has_the_length_of_its_hash(app: Caller, length: int) -> None:
    uid = await made(app, "EC_P256")
    assert await app.refused(sign(uid, SHA_256, bytes(length))) == ResultReason.INVALID_FIELD


@SM2
async def test_sm2_signs_what_it_verifies(app: Caller) -> None:
    uid = await made(app, "EC_SM2")
    signature = (await app.call(SignRequest(unique_identifier=uid, data=b"text"))).signature_data
    check = SignatureVerifyRequest(unique_identifier=uid, data=b"text", signature_data=signature)
    assert (await app.call(check)).validity_indicator == VALID


@SM2
@pytest.mark.parametrize("size", [1, 6047])
async def test_sm2_encrypts_in_both_forms(app: Caller, size: int) -> None:
    uid = await made(app, "EC_SM2", "ENCRYPT/DECRYPT")
    for form, overhead in ((vendor.SM2_C1C3C2, 97), (vendor.SM2_DER, None)):
        parameters = CryptographicParameters(padding_method=form)
        encrypt = EncryptRequest(unique_identifier=uid, cryptographic_parameters=parameters, data=bytes(size))
        sealed = (await app.call(encrypt)).data
        assert overhead is None or len(sealed) == size + overhead
        assert (await app.call(DecryptRequest(unique_identifier=uid, data=sealed))).data == bytes(size)


async def test_what_an_older_version_signed_is_verified_with_its_own_identifier(app: Caller) -> None:
    uid = await made(app, "EC_P256")
    old = (await app.call(GetPublicKeyRequest(unique_identifier=uid))).unique_identifier
    first = await app.call(sign(uid, SHA_256))
    await app.call(RotateCMKRequest(unique_identifier=uid))
    second = await app.call(sign(uid, SHA_256))
    assert first.unique_identifier != second.unique_identifier
    assert await verified(app, old, first.signature_data, SHA_256) == VALID
    assert await verified(app, uid, first.signature_data, SHA_256) == INVALID
    assert await verified(app, uid, second.signature_data, SHA_256) == VALID
    signing = sign(first.unique_identifier, SHA_256)
    assert await app.at(V2_1).refused(signing) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    # The public key of each version stays to be had.
    assert await public_key(app, old) != await public_key(app, uid)


async def test_a_pair_is_used_in_the_token(hsm_server: Server) -> None:
    app = hsm_server.caller()
    for spec, parameters in (("EC_P256", SHA_256), ("RSA_2048", PSS)):
        uid = await made(app, spec, key_protection=ProtectionLevel.HSM.value)
        signature = (await app.call(sign(uid, parameters))).signature_data
        assert await verified(app, uid, signature, parameters) == VALID


async def test_a_key_serves_its_usage_only(app: Caller) -> None:
    app = app.at(V2_1)
    signing, encrypting = await made(app, "RSA_2048"), await made(app, "RSA_2048", "ENCRYPT/DECRYPT")
    mask = ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK
    assert await app.refused(EncryptRequest(unique_identifier=signing, data=b"1")) == mask
    assert await app.refused(sign(encrypting, PSS)) == mask


# --- MACs


@pytest.mark.parametrize(
    ("spec", "hashing"),
    [
        ("HMAC_SHA_224", hashes.SHA224()),
        ("HMAC_SHA_256", hashes.SHA256()),
        ("HMAC_SHA_384", hashes.SHA384()),
        ("HMAC_SHA_512", hashes.SHA512()),
        ("HMAC_SM3", hashes.SM3()),
    ],
)
async def test_macs_are_made_and_verified(app: Caller, spec: str, hashing: hashes.HashAlgorithm) -> None:
    uid = await made(app, spec)
    mac = (await app.call(MACRequest(unique_identifier=uid, data=b"text"))).mac_data
    assert len(mac) == hashing.digest_size == len(hmac.HMAC(b"k", hashing).finalize())
    for data, value, outcome in (
        (b"text", mac, VALID),
        (b"other", mac, INVALID),
        (b"text", mac[:-1], INVALID),
        (b"text", bytes(len(mac)), INVALID),
    ):
        request = MACVerifyRequest(unique_identifier=uid, data=data, mac_data=value)
        assert (await app.call(request)).validity_indicator == outcome


async def test_a_mac_of_an_older_version_is_verified_with_its_own_identifier(app: Caller) -> None:
    uid = await made(app, "HMAC_SHA_256")
    old = await app.call(MACRequest(unique_identifier=uid, data=b"text"))
    await app.call(RotateCMKRequest(unique_identifier=uid))
    for key, outcome in ((old.unique_identifier, VALID), (uid, INVALID)):
        request = MACVerifyRequest(unique_identifier=key, data=b"text", mac_data=old.mac_data)
        assert (await app.call(request)).validity_indicator == outcome
