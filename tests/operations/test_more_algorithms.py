"""SM2, SM3, SM4, Ed25519, ML-DSA, ML-KEM, 3DES and others through the operations, in 2.1 and in older versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from kmsd.crypto import sm2
from kmsd.storage.store import Store
from protocol import vendor
from protocol.attributes import Attribute, Template
from protocol.enums import (
    BlockCipherMode,
    KeyFormatType,
    ObjectType,
    Operation,
    RecommendedCurve,
    ResultReason,
    ValidityIndicator,
)
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import DigitalSignatureAlgorithm as Signature
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.objects import KeyBlock, KeyValue, PrivateKey
from protocol.operations.create_key_pair import CreateKeyPairRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.operations.hash import HashRequest
from protocol.operations.mac import MACRequest
from protocol.operations.mac_verify import MACVerifyRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.sign import SignRequest
from protocol.operations.signature_verify import SignatureVerifyRequest
from protocol.structures import CryptographicDomainParameters, CryptographicParameters
from protocol.versions import SUPPORTED, V1_2, V1_4, V2_0, V2_1, ProtocolVersion
from tests.operations import requests
from tests.operations.conftest import Caller, Server, tenant_settings

ALLOWED = (
    *("SM4", "SM2", "HMAC-SM3", "DES3", "ChaCha20", "ChaCha20Poly1305", "Ed25519", "EC", "ECDH", "AES"),
    *("ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "ML-KEM-768", "ML-KEM-1024"),
)
needs_sm2 = pytest.mark.skipif(not sm2.support().available, reason="the system's libcrypto has no SM2")


@pytest.fixture
def caller(server: Server) -> Caller:
    return server.caller("modern", version=V2_1)


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Server]:
    with Store.open(tmp_path / "kmsd.db") as store:
        await nursery.start(store.run)
        modern = tenant_settings(algorithms=dict.fromkeys(ALLOWED, "*"))
        server = Server(store, {"acme": tenant_settings(), "modern": modern})
        await nursery.start(server.services.requests.run)
        yield server
        nursery.cancel_scope.cancel()


def pair(algorithm: Algorithm, *more: Attribute) -> CreateKeyPairRequest:
    return CreateKeyPairRequest(
        common_attributes=Template(attributes=(Attribute("Cryptographic Algorithm", algorithm), *more)),
        private_key_attributes=Template(
            attributes=(Attribute("Cryptographic Usage Mask", Mask.SIGN | Mask.DECRYPT | Mask.DERIVE_KEY),)
        ),
        public_key_attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", Mask.VERIFY | Mask.ENCRYPT),)),
    )


async def made(caller: Caller, algorithm: Algorithm, *more: Attribute) -> tuple[str, str]:
    """(public, private), active."""
    response = await caller.call(pair(algorithm, *more))
    uids = (response.public_key_unique_identifier, response.private_key_unique_identifier)
    for uid in uids:
        await caller.call(requests.activate(uid))
    return uids


SIGNERS = [
    pytest.param(Algorithm.SM2, marks=needs_sm2),
    Algorithm.ED25519,
    vendor.ML_DSA_44,
    vendor.ML_DSA_65,
    vendor.ML_DSA_87,
]


@pytest.mark.parametrize("algorithm", SIGNERS, ids=lambda algorithm: algorithm.name)
async def test_a_pair_is_made_signs_and_is_fetched(caller: Caller, algorithm: Algorithm) -> None:
    public, private = await made(caller, algorithm)
    signature = (await caller.call(SignRequest(unique_identifier=private, data=b"data"))).signature_data
    for data, expected in ((b"data", ValidityIndicator.VALID), (b"other", ValidityIndicator.INVALID)):
        asked = SignatureVerifyRequest(unique_identifier=public, data=data, signature_data=signature)
        assert (await caller.call(asked)).validity_indicator == expected
    fetched = await caller.call(requests.get(private))
    assert fetched.managed_object.key_block.key_format_type == KeyFormatType.PKCS_8
    assert fetched.managed_object.key_block.cryptographic_algorithm == algorithm
    shown = requests.shown(await caller.call(requests.attributes(public)))
    assert shown["Cryptographic Algorithm"] == algorithm


@pytest.mark.parametrize("algorithm", SIGNERS, ids=lambda algorithm: algorithm.name)
async def test_signatures_in_parts_are_of_all_the_data(caller: Caller, algorithm: Algorithm) -> None:
    public, private = await made(caller, algorithm)
    first = await caller.call(SignRequest(unique_identifier=private, data=b"da", init_indicator=True))
    last = await caller.call(
        SignRequest(
            unique_identifier=private, data=b"ta", final_indicator=True, correlation_value=first.correlation_value
        )
    )
    asked = SignatureVerifyRequest(unique_identifier=public, data=b"data", signature_data=last.signature_data)
    assert (await caller.call(asked)).validity_indicator == ValidityIndicator.VALID
    first = await caller.call(SignatureVerifyRequest(unique_identifier=public, data=b"da", init_indicator=True))
    for end, expected in ((b"ta", ValidityIndicator.VALID),):
        asked = SignatureVerifyRequest(
            unique_identifier=public,
            data=end,
            signature_data=last.signature_data,
            final_indicator=True,
            correlation_value=first.correlation_value,
        )
        assert (await caller.call(asked)).validity_indicator == expected


@needs_sm2
async def test_sm2_encrypts_and_decrypts_in_both_forms(caller: Caller) -> None:
    public, private = await made(caller, Algorithm.SM2)
    for padding, first in ((None, 0x04), (vendor.SM2_DER, 0x30)):
        parameters = CryptographicParameters(padding_method=padding)
        asked = EncryptRequest(unique_identifier=public, data=b"secret", cryptographic_parameters=parameters)
        data = (await caller.call(asked)).data
        assert data[0] == first
        assert (await caller.call(DecryptRequest(unique_identifier=private, data=data))).data == b"secret"
        broken = DecryptRequest(unique_identifier=private, data=data[:-1])
        assert await caller.refused(broken) == ResultReason.CRYPTOGRAPHIC_FAILURE


@needs_sm2
async def test_an_sm2_key_is_fetched_as_a_structure_on_its_curve(caller: Caller) -> None:
    public, _ = await made(caller, Algorithm.SM2)
    asked = GetRequest(unique_identifier=public, key_format_type=KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY)
    material = (await caller.call(asked)).managed_object.key_block.key_value.key_material
    assert material.recommended_curve == vendor.SM2P256V1
    assert len(material.q_string) == 65


@pytest.mark.parametrize(
    "algorithm", [Algorithm.SM4, Algorithm.CHACHA20_POLY1305, Algorithm.AES], ids=lambda algorithm: algorithm.name
)
async def test_a_key_without_length_and_parameters_authenticates(caller: Caller, algorithm: Algorithm) -> None:
    uid = (await caller.call(requests.create(algorithm=algorithm, length=None))).unique_identifier
    await caller.call(requests.activate(uid))
    response = await caller.call(EncryptRequest(unique_identifier=uid, data=b"data"))
    assert len(response.authenticated_encryption_tag) == 16
    asked = DecryptRequest(
        unique_identifier=uid,
        data=response.data,
        iv_counter_nonce=response.iv_counter_nonce,
        authenticated_encryption_tag=response.authenticated_encryption_tag,
    )
    assert (await caller.call(asked)).data == b"data"


@pytest.mark.parametrize("mode", [BlockCipherMode.CCM, BlockCipherMode.XTS])
async def test_ccm_and_xts_work_in_parts_too(caller: Caller, mode: BlockCipherMode) -> None:
    uid = (await caller.call(requests.create())).unique_identifier
    await caller.call(requests.activate(uid))
    parameters = CryptographicParameters(block_cipher_mode=mode, random_iv=True)
    first = await caller.call(
        EncryptRequest(
            unique_identifier=uid, cryptographic_parameters=parameters, data=b"sixteen bytes...", init_indicator=True
        )
    )
    last = await caller.call(
        EncryptRequest(
            unique_identifier=uid,
            cryptographic_parameters=parameters,
            data=b"more",
            correlation_value=first.correlation_value,
            final_indicator=True,
        )
    )
    asked = DecryptRequest(
        unique_identifier=uid,
        cryptographic_parameters=parameters,
        data=(first.data or b"") + last.data,
        iv_counter_nonce=first.iv_counter_nonce,
        authenticated_encryption_tag=last.authenticated_encryption_tag,
    )
    assert (await caller.call(asked)).data == b"sixteen bytes...more"


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
async def test_sm3_hashes_by_its_vendor_value_in_every_version(server: Server, version: ProtocolVersion) -> None:
    if version < V1_2:
        pytest.skip("Hash is there since 1.2")
    parameters = CryptographicParameters(hashing_algorithm=vendor.SM3)
    asked = HashRequest(cryptographic_parameters=parameters, data=b"abc")
    response = await server.caller("modern", version=version).call(asked)
    assert response.data.hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


@pytest.mark.parametrize("version", [V1_2, V1_4, V2_1], ids=str)
async def test_hmac_sm3_works_by_its_vendor_value(server: Server, version: ProtocolVersion) -> None:
    caller = server.caller("modern", version=version)
    usage = Mask.MAC_GENERATE | Mask.MAC_VERIFY
    asked = requests.create(algorithm=vendor.HMAC_SM3, length=None, usage=usage)
    uid = (await caller.call(asked)).unique_identifier
    await caller.call(requests.activate(uid))
    value = (await caller.call(MACRequest(unique_identifier=uid, data=b"data"))).mac_data
    assert len(value) == 32
    checked = await caller.call(MACVerifyRequest(unique_identifier=uid, data=b"data", mac_data=value))
    assert checked.validity_indicator == ValidityIndicator.VALID


@pytest.mark.parametrize("version", [V1_2, V1_4], ids=str)
@pytest.mark.parametrize("algorithm", [Algorithm.SM4, Algorithm.SM2, Algorithm.ED25519], ids=lambda a: a.name)
async def test_an_older_client_is_told_that_its_version_lacks_the_algorithm(
    server: Server, algorithm: Algorithm, version: ProtocolVersion
) -> None:
    old = server.caller("modern", version=version)
    # Our own encoder writes no value that the version lacks.
    placeholder = Algorithm(0x8000FFFF)
    item = RequestBatchItem(operation=Operation.CREATE, payload=requests.create(algorithm=placeholder, length=128))
    header = RequestHeader(protocol_version=version, batch_count=1)
    frame = encode_request(RequestMessage(header=header, batch_items=(item,)))
    assert frame.count(placeholder.to_bytes(4, "big")) == 1
    sent = frame.replace(placeholder.to_bytes(4, "big"), algorithm.to_bytes(4, "big"))
    [answer] = decode_response(await old.send(sent)).batch_items
    assert answer.result_reason == ResultReason.INVALID_FIELD
    assert f"{algorithm.name} is of KMIP 2.0" in (answer.result_message or "")


@pytest.mark.parametrize("version", [V1_2, V1_4, V2_0], ids=str)
@pytest.mark.parametrize(
    "algorithm", [pytest.param(Algorithm.SM2, marks=needs_sm2), Algorithm.ED25519], ids=lambda a: a.name
)
async def test_an_older_client_sees_of_a_newer_key_what_its_version_has(
    server: Server, version: ProtocolVersion, algorithm: Algorithm
) -> None:
    public, _ = await made(server.caller("modern", version=V2_1), algorithm)
    old = server.caller("modern", version=version)
    shown = requests.shown(await old.call(requests.attributes(public)))
    assert shown["Cryptographic Length"] == 256
    assert ("Cryptographic Algorithm" in shown) == (version >= V2_0)
    block = (await old.call(requests.get(public))).managed_object.key_block
    assert isinstance(block.key_value.key_material, bytes)


@pytest.mark.parametrize(
    ("version", "reason"),
    [(V1_4, ResultReason.FEATURE_NOT_SUPPORTED), (V2_1, ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS)],
    ids=str,
)
async def test_3des_is_for_tenants_that_allow_it(
    server: Server, version: ProtocolVersion, reason: ResultReason
) -> None:
    caller = server.caller("modern", version=version)
    for length in (112, 168):
        uid = (await caller.call(requests.create(algorithm=Algorithm.DES3, length=length))).unique_identifier
        await caller.call(requests.activate(uid))
        block = (await caller.call(requests.get(uid))).managed_object.key_block
        assert block.cryptographic_length == length
        parameters = CryptographicParameters(block_cipher_mode=BlockCipherMode.ECB)
        asked = EncryptRequest(unique_identifier=uid, data=bytes(8), cryptographic_parameters=parameters)
        assert await caller.refused(asked) == reason
        old = DecryptRequest(unique_identifier=uid, data=bytes(8), cryptographic_parameters=parameters)
        assert len((await caller.call(old)).data) == 8
    # Leave to encrypt is given apart from leave to have such keys.
    server.change("modern", tenant_settings(algorithms=dict.fromkeys(ALLOWED, "*"), legacy_encryption=("DES3",)))
    caller = server.caller("modern", version=version)
    encrypted = (await caller.call(asked)).data
    assert (await caller.call(replace(old, data=encrypted))).data == bytes(8)
    refused = server.caller("acme", version=version)
    asked_of_acme = requests.create(algorithm=Algorithm.DES3, length=168)
    assert await refused.refused(asked_of_acme) == ResultReason.PERMISSION_DENIED


@pytest.mark.parametrize("algorithm", [Algorithm.SM4, vendor.HMAC_SM3], ids=lambda algorithm: algorithm.name)
async def test_what_a_tenant_does_not_list_it_does_not_have(server: Server, algorithm: Algorithm) -> None:
    request = requests.create(algorithm=algorithm, length=128)
    assert await server.caller("acme", version=V2_1).refused(request) == ResultReason.PERMISSION_DENIED


@pytest.mark.parametrize("algorithm", [vendor.ML_KEM_768, vendor.ML_KEM_1024], ids=lambda algorithm: algorithm.name)
async def test_ml_kem_keys_are_made_registered_and_fetched(caller: Caller, algorithm: Algorithm) -> None:
    public, private = await made(caller, algorithm)
    asked = GetRequest(unique_identifier=private, key_format_type=KeyFormatType.RAW)
    seed = (await caller.call(asked)).managed_object.key_block.key_value.key_material
    assert len(seed) == 64
    response = await caller.call(
        RegisterRequest(
            object_type=ObjectType.PRIVATE_KEY,
            attributes=Template(attributes=(Attribute("Cryptographic Usage Mask", Mask.UNWRAP_KEY),)),
            managed_object=PrivateKey(
                key_block=KeyBlock(
                    key_format_type=KeyFormatType.RAW,
                    key_value=KeyValue(key_material=seed),
                    cryptographic_algorithm=algorithm,
                    cryptographic_length=requests.shown(await caller.call(requests.attributes(public)))[
                        "Cryptographic Length"
                    ],
                )
            ),
        )
    )
    again = await caller.call(requests.get(response.unique_identifier))
    assert again.managed_object.key_block.key_value.key_material == seed


async def test_a_low_s_is_asked_for_by_a_vendor_value(caller: Caller) -> None:
    curve = CryptographicDomainParameters(recommended_curve=RecommendedCurve.SECP256K1)
    public, private = await made(caller, Algorithm.EC, Attribute("Cryptographic Domain Parameters", curve))
    low = CryptographicParameters(digital_signature_algorithm=vendor.ECDSA_LOW_S_WITH_SHA256)
    signature = (
        await caller.call(SignRequest(unique_identifier=private, data=b"data", cryptographic_parameters=low))
    ).signature_data
    for parameters in (low, CryptographicParameters(digital_signature_algorithm=Signature.ECDSA_WITH_SHA256)):
        asked = SignatureVerifyRequest(
            unique_identifier=public, data=b"data", signature_data=signature, cryptographic_parameters=parameters
        )
        assert (await caller.call(asked)).validity_indicator == ValidityIndicator.VALID


@pytest.mark.parametrize(
    "more",
    [
        Attribute("Cryptographic Length", 512),
        Attribute(
            "Cryptographic Domain Parameters", CryptographicDomainParameters(recommended_curve=RecommendedCurve.P_256)
        ),
    ],
    ids=["length", "curve"],
)
async def test_another_length_or_curve_of_ed25519_is_refused(caller: Caller, more: Attribute) -> None:
    assert await caller.refused(pair(Algorithm.ED25519, more)) == ResultReason.INVALID_ATTRIBUTE_VALUE
