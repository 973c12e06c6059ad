"""Data keys and re-encryption with stock KMIP 2.x: Data of earlier items, and Ephemeral (2.1 §9.6, §11.13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from kmsd.domain.objects import ProtectionLevel
from protocol.attributes import Attribute, Template
from protocol.enums import (
    BlockCipherMode,
    CryptographicUsageMask,
    Data,
    ObjectType,
    ResultReason,
    ResultStatus,
    WrappingMethod,
)
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.objects import EncryptionKeyInformation, KeyWrappingSpecification, SymmetricKey
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.generate_data_key import GenerateDataKeyRequest
from protocol.operations.get import GetRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.rng_retrieve import RNGRetrieveRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V1_0, V1_4, V2_0, V2_1, ProtocolVersion
from tests.operations import cmks
from tests.operations.conftest import OPERATION_OF, Caller, Server
from tests.operations.requests import create, destroy

AAD = b"context"


async def batch(app: Caller, version: ProtocolVersion, items: Iterable[tuple[Any, bool]]) -> list[Any]:
    """The items of the answer; of each request whether it is Ephemeral."""
    built = tuple(
        RequestBatchItem(
            operation=OPERATION_OF[type(payload)],
            ephemeral=True if ephemeral else None,
            unique_batch_item_id=bytes([number]),
            payload=payload,
        )
        for number, (payload, ephemeral) in enumerate(items)
    )
    header = RequestHeader(protocol_version=version, batch_count=len(built))
    return list(decode_response(await app.send(encode_request(RequestMessage(header, built)))).batch_items)


def encrypt(key: str, data: Any) -> EncryptRequest:
    return EncryptRequest(unique_identifier=key, data=data, authenticated_encryption_additional_data=AAD)


def opened(made: Any, **changes: Any) -> DecryptRequest:
    request = DecryptRequest(
        unique_identifier=made.unique_identifier,
        data=made.data,
        iv_counter_nonce=made.iv_counter_nonce,
        authenticated_encryption_additional_data=AAD,
        authenticated_encryption_tag=made.authenticated_encryption_tag,
    )
    return replace(request, **changes)


@pytest.mark.parametrize("version", [V2_0, V2_1], ids=str)
@pytest.mark.parametrize("reference", [-1, 0, Data.RNG_RETRIEVE])
@pytest.mark.parametrize("ephemeral", [False, True])
async def test_a_data_key_is_made_and_encrypted_in_one_request(
    app: Caller, version: ProtocolVersion, reference: Any, ephemeral: bool
) -> None:
    cmk = await cmks.make_cmk(app, aliases=("alias/app",))
    random, made = await batch(
        app, version, [(RNGRetrieveRequest(data_length=32), ephemeral), (encrypt("alias/app", reference), False)]
    )
    assert made.payload.unique_identifier == cmk.primary
    plain = (await app.at(version).call(opened(made.payload))).data
    assert len(plain) == 32
    assert random.payload.data == (b"" if ephemeral else plain)


@pytest.mark.parametrize("reference", [-1, Data.DECRYPT])
async def test_re_encryption_keeps_the_plaintext_in_the_server(app: Caller, reference: Any) -> None:
    source, destination = await cmks.make_cmk(app), await cmks.make_cmk(app)
    app = app.at(V2_1)
    made = await app.call(encrypt(source.uid, b"secret"))
    first, second = await batch(app, V2_1, [(opened(made), True), (encrypt(destination.uid, reference), False)])
    assert (first.payload.unique_identifier, first.payload.data) == (source.primary, None)
    assert second.payload.unique_identifier == destination.primary
    assert (await app.call(opened(second.payload))).data == b"secret"


async def test_re_encryption_stops_where_the_source_does_not_open(app: Caller) -> None:
    source, destination = await cmks.make_cmk(app), await cmks.make_cmk(app)
    app = app.at(V2_1)
    made = await app.call(encrypt(source.uid, b"secret"))
    wrong = opened(made, authenticated_encryption_additional_data=b"another")
    [first] = await batch(app, V2_1, [(wrong, True), (encrypt(destination.uid, -1), False)])
    assert first.result_reason == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_a_pipeline_works_in_the_token(hsm_server: Server) -> None:
    app = hsm_server.caller()
    cmk = await cmks.make_cmk(app, protection=ProtectionLevel.HSM)
    _, made = await batch(app, V2_1, [(RNGRetrieveRequest(data_length=16), True), (encrypt(cmk.uid, -1), False)])
    assert len((await app.at(V2_1).call(opened(made.payload))).data) == 16


async def test_our_own_operations_take_part(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    key, again = await batch(
        app,
        V2_1,
        [
            (GenerateDataKeyRequest(unique_identifier=cmk.uid), True),
            (KMSEncryptRequest(unique_identifier=cmk.uid, data=-1), False),
        ],
    )
    assert key.payload.data is None
    contents = [
        (await app.call(KMSDecryptRequest(ciphertext_blob=item.payload.ciphertext_blob))).data for item in (key, again)
    ]
    assert contents[0] == contents[1]


async def test_an_old_ciphertext_is_decrypted_by_the_version_that_made_it(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    app = app.at(V2_1)
    made = await app.call(encrypt(cmk.uid, b"secret"))
    rotated = await cmks.rotate(app, cmk)
    assert (await app.call(encrypt(cmk.uid, b"secret"))).unique_identifier == rotated.primary
    assert (await app.call(opened(made))).data == b"secret"


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1], ids=str)
async def test_a_data_key_is_wrapped_by_a_cmk_in_every_version(app: Caller, version: ProtocolVersion) -> None:
    """Nothing of it stays in the server: made, given out wrapped and plain, and destroyed in one request."""
    cmk = await cmks.make_cmk(app, aliases=("alias/app",))
    app = app.at(version)
    specification = KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=EncryptionKeyInformation(
            unique_identifier="alias/app",
            cryptographic_parameters=CryptographicParameters(block_cipher_mode=BlockCipherMode.NIST_KEY_WRAP),
        ),
    )
    items = (await app.batch([create(), get_wrapped(specification), GetRequest(), destroy()])).batch_items
    assert [item.result_status for item in items] == [ResultStatus.SUCCESS] * 4
    wrapped, plain = (item.payload.managed_object.key_block for item in items[1:3])  # type: ignore[attr-defined]
    assert await app.refused(GetRequest(unique_identifier=items[0].payload.unique_identifier)) is not None  # type: ignore[attr-defined]
    # Back again, under the version that wrapped it.
    assert wrapped.key_wrapping_data.encryption_key_information.unique_identifier == cmk.primary
    await cmks.rotate(app, cmk)
    brought = RegisterRequest(
        object_type=ObjectType.SYMMETRIC_KEY,
        attributes=Template((Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT),)),
        managed_object=SymmetricKey(key_block=wrapped),
    )
    uid = (await app.call(brought)).unique_identifier
    found = (await app.call(GetRequest(unique_identifier=uid))).managed_object.key_block
    assert found.key_value.key_material == plain.key_value.key_material


def get_wrapped(specification: KeyWrappingSpecification) -> GetRequest:
    return GetRequest(key_wrapping_specification=specification)
