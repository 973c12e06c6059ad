"""Imported material that is a private key, and material that goes into the HSM."""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from kmsd.crypto import sm2
from kmsd.domain.objects import ProtectionLevel
from protocol.enums import ResultReason, ValidityIndicator
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest
from protocol.operations.get_public_key import GetPublicKeyRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.versions import V2_1
from tests.operations import cmks
from tests.operations.conftest import Caller, Server
from tests.operations.importing import FAILURE, NEEDS_SM2, external, wrapped


def pkcs8(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_256", "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD"])
@pytest.mark.parametrize("spec", ["EC_P256", "RSA_2048"])
async def test_a_private_key_is_imported_with_its_public_half(app: Caller, spec: str, algorithm: str) -> None:
    cmk = await external(app, spec)
    key: Any = ec.generate_private_key(ec.SECP256R1()) if spec == "EC_P256" else rsa.generate_private_key(65537, 2048)
    await app.call(await wrapped(app, cmk, pkcs8(key), algorithm))
    shown = await app.call(GetPublicKeyRequest(unique_identifier=cmk.uid))
    public = load_pem_public_key(shown.public_key_pem.encode())
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public.public_bytes(*form) == key.public_key().public_bytes(*form)
    signature = (await app.call(SignRequest(unique_identifier=cmk.uid, data=b"text"))).signature_data
    checked = SignatureVerifyRequest(unique_identifier=cmk.uid, data=b"text", signature_data=signature)
    assert (await app.call(checked)).validity_indicator == ValidityIndicator.VALID
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    assert await app.at(V2_1).refused(SignRequest(unique_identifier=cmk.uid, data=b"text")) == (
        ResultReason.KEY_VALUE_NOT_PRESENT
    )
    other: Any = ec.generate_private_key(ec.SECP256R1()) if spec == "EC_P256" else rsa.generate_private_key(65537, 2048)
    assert await app.refused(await wrapped(app, cmk, pkcs8(other), algorithm)) == FAILURE
    await app.call(await wrapped(app, cmk, pkcs8(key), algorithm))
    await app.call(SignRequest(unique_identifier=cmk.uid, data=b"text"))
    assert (await app.call(GetPublicKeyRequest(unique_identifier=cmk.uid))).public_key_pem == shown.public_key_pem
    assert (await app.call(checked)).validity_indicator == ValidityIndicator.VALID


async def test_a_private_key_of_another_kind_is_refused(app: Caller) -> None:
    cmk = await external(app, "EC_P256")
    for key in (ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP384R1())):
        assert await app.refused(await wrapped(app, cmk, pkcs8(key), "RSA_AES_KEY_WRAP_SHA_256")) == FAILURE
    for junk in (b"junk", bytes(32)):
        assert await app.refused(await wrapped(app, cmk, junk, "RSA_AES_KEY_WRAP_SHA_256")) == FAILURE
    request = GetParametersForImportRequest(
        unique_identifier=cmk.uid, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    assert await app.refused(request) == ResultReason.INVALID_FIELD


@NEEDS_SM2
async def test_an_sm2_key_is_imported_in_its_own_form(app: Caller) -> None:
    cmk = await external(app, "EC_SM2")
    key = sm2.generate()
    await app.call(await wrapped(app, cmk, key.value.to_bytes(32), "SM2PKE_SM4_ECB", "EC_SM2"))
    shown = await app.call(GetPublicKeyRequest(unique_identifier=cmk.uid))
    assert "BEGIN PUBLIC KEY" in shown.public_key_pem
    await app.call(SignRequest(unique_identifier=cmk.uid, data=b"text"))


# --- into the HSM


async def test_material_is_imported_into_the_token(hsm_server: Server) -> None:
    app = hsm_server.caller()
    cmk = await external(app, protection=ProtectionLevel.HSM)
    material = os.urandom(32)
    await app.call(await wrapped(app, cmk, material, "RSAES_OAEP_SHA_1"))
    primary = cmks.read(hsm_server, cmk).primary
    assert primary is not None
    version = cmks.stored(hsm_server, primary)
    assert (version.protection, version.material.kind if version.material else None) == (ProtectionLevel.HSM, "wrapped")
    # Nobody outside the token has seen it, so that there is no digest of it.
    assert version.attributes.get("Digest") is None
    assert version.attributes.get("Always Sensitive") is False
    ecb = await app.call(EncryptRequest(unique_identifier=cmk.uid, data=bytes(16), cryptographic_parameters=cmks.ECB))
    assert ecb.data == Cipher(AES(material), modes.ECB()).encryptor().update(bytes(16))
    assert await app.refused(await wrapped(app, cmk, os.urandom(32), "RSAES_OAEP_SHA_1")) == FAILURE
    assert await app.refused(await wrapped(app, cmk, os.urandom(16), "RSAES_OAEP_SHA_1")) == FAILURE
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    assert await app.refused(await wrapped(app, cmk, os.urandom(32), "RSAES_OAEP_SHA_1")) == FAILURE
    await app.call(await wrapped(app, cmk, material, "RSAES_OAEP_SHA_1"))


async def test_a_private_key_is_imported_into_the_token(hsm_server: Server) -> None:
    app = hsm_server.caller()
    cmk = await external(app, "EC_P256", protection=ProtectionLevel.HSM)
    key = ec.generate_private_key(ec.SECP256R1())
    await app.call(await wrapped(app, cmk, pkcs8(key), "RSA_AES_KEY_WRAP_SHA_1"))
    signature = (await app.call(SignRequest(unique_identifier=cmk.uid, data=b"text"))).signature_data
    key.public_key().verify(signature, b"text", ec.ECDSA(hashes.SHA256()))


async def test_what_the_token_would_not_open_is_refused_at_once(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    cmk = await external(app, protection=ProtectionLevel.HSM)
    offered = hsm_server.services.tenants["acme"].providers[ProtectionLevel.HSM].capabilities.paddings
    request = GetParametersForImportRequest(
        unique_identifier=cmk.uid, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    if any(padding.name == "OAEP" and hashing and hashing.name == "SHA_256" for padding, hashing in offered):
        await app.call(request)
    else:
        assert await app.refused(request) == ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
