"""Material for CMKs as a client brings it: wrapped under a key that it was given for that."""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
)

from kmsd.crypto import sm2
from kmsd.domain.cmk import Cmk, KeyState, Origin
from protocol.enums import ResultReason
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest
from protocol.operations.import_key_material import ImportKeyMaterialRequest
from tests.operations import cmks
from tests.operations.conftest import Caller, Server

OAEP = {
    "SHA_256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
    "SHA_1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
}
FAILURE = ResultReason.CRYPTOGRAPHIC_FAILURE
NEEDS_SM2 = pytest.mark.skipif(not sm2.support().available, reason="the system's libcrypto has no SM2 that can be used")


def wrap(spki: bytes, algorithm: str, material: bytes) -> bytes:
    """As a client wraps it."""
    if algorithm.startswith("SM2PKE"):
        public = sm2.load_public(spki)
        if algorithm == "SM2PKE":
            return public.encrypt(material)
        key = os.urandom(16)
        encryptor = Cipher(SM4(key), modes.ECB()).encryptor()
        return public.encrypt(key) + encryptor.update(material) + encryptor.finalize()
    public_key = load_der_public_key(spki)
    assert isinstance(public_key, rsa.RSAPublicKey)
    if algorithm == "RSAES_PKCS1_V1_5":
        return public_key.encrypt(material, padding.PKCS1v15())
    oaep = OAEP["SHA_1" if algorithm.endswith("SHA_1") else "SHA_256"]
    if algorithm.startswith("RSAES_OAEP_SHA") and not algorithm.endswith("PAD"):
        return public_key.encrypt(material, oaep)
    key = os.urandom(32)
    if algorithm.startswith("RSA_AES_KEY_WRAP"):
        return public_key.encrypt(key, oaep) + aes_key_wrap_with_padding(key, material)
    padder = block_padding.PKCS7(128).padder()
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()
    padded = padder.update(material) + padder.finalize()
    return public_key.encrypt(key, oaep) + encryptor.update(padded) + encryptor.finalize()


async def parameters(app: Caller, cmk: Cmk, algorithm: str = "RSAES_OAEP_SHA_256", spec: str = "RSA_2048") -> Any:
    return await app.call(
        GetParametersForImportRequest(unique_identifier=cmk.uid, wrapping_algorithm=algorithm, wrapping_key_spec=spec)
    )


async def wrapped(
    app: Caller, cmk: Cmk, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256", spec: str = "RSA_2048", **more: Any
) -> ImportKeyMaterialRequest:
    given = await parameters(app, cmk, algorithm, spec)
    return ImportKeyMaterialRequest(
        unique_identifier=cmk.uid,
        encrypted_key_material=wrap(given.wrapping_public_key, algorithm, material),
        import_token=given.import_token,
        **more,
    )


async def external(app: Caller, spec: str = "AES_256", usage: str | None = None, **changes: Any) -> Cmk:
    cmks.allow(app.server, spec)
    return await cmks.make_cmk(app, spec, usage, origin=Origin.EXTERNAL, **changes)


def state(server: Server, cmk: Cmk) -> KeyState:
    return cmks.read(server, cmk).state(int(server.now))
