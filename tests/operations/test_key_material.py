"""Imported material: Get Parameters For Import, Import Key Material, Delete Key Material."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from kmsd.domain.cmk import KeyState
from kmsd.domain.import_tokens import MAXIMUM_TOKENS
from protocol.attributes import Attribute
from protocol.enums import ResultReason, ResultStatus
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get import GetRequest
from protocol.operations.get_parameters_for_import import GetParametersForImportRequest
from protocol.operations.import_key_material import ImportKeyMaterialRequest
from protocol.operations.kms_decrypt import KMSDecryptRequest
from protocol.operations.kms_encrypt import KMSEncryptRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.versions import V2_1
from tests.operations import cmks
from tests.operations.conftest import Caller, Server
from tests.operations.importing import FAILURE, NEEDS_SM2, external, parameters, state, wrapped

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("algorithm", "spec"),
    [
        ("RSAES_OAEP_SHA_256", "RSA_2048"),
        ("RSAES_OAEP_SHA_256", "RSA_3072"),
        ("RSAES_OAEP_SHA_1", "RSA_2048"),
        ("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048"),
        ("RSA_AES_KEY_WRAP_SHA_1", "RSA_2048"),
        ("RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD", "RSA_2048"),
        pytest.param("SM2PKE", "EC_SM2", marks=NEEDS_SM2),
    ],
)
async def test_material_is_imported_and_used(server: Server, app: Caller, algorithm: str, spec: str) -> None:
    cmk = await external(app)
    material = os.urandom(32)
    assert state(server, cmk) is KeyState.PENDING_IMPORT
    made = await app.call(await wrapped(app, cmk, material, algorithm, spec))
    assert state(server, cmk) is KeyState.ENABLED
    ecb = await app.call(EncryptRequest(unique_identifier=cmk.uid, data=bytes(16), cryptographic_parameters=cmks.ECB))
    assert ecb.unique_identifier == made.unique_identifier == cmks.read(server, cmk).primary
    assert ecb.data == Cipher(AES(material), modes.ECB()).encryptor().update(bytes(16))


@pytest.mark.parametrize(("spec", "size"), [("AES_128", 16), ("AES_192", 24), ("HMAC_SHA_256", 32), ("SM4", 16)])
async def test_material_has_exactly_the_length_of_the_specification(
    server: Server, app: Caller, spec: str, size: int
) -> None:
    cmk = await external(app, spec)
    for length in (size - 1, size + 1, 1, 2 * size):
        assert await app.refused(await wrapped(app, cmk, os.urandom(length))) == FAILURE
        assert state(server, cmk) is KeyState.PENDING_IMPORT
    await app.call(await wrapped(app, cmk, os.urandom(size)))


async def test_a_token_is_good_once(app: Caller) -> None:
    cmk = await external(app)
    request = await wrapped(app, cmk, bytes(32))
    await app.call(request)
    assert await app.at(V2_1).refused(request) == ResultReason.INVALID_TICKET
    assert await app.refused(request) == ResultReason.INVALID_FIELD


async def test_of_two_imports_with_one_token_at_once_one_succeeds(app: Caller) -> None:
    cmk = await external(app)
    request = await wrapped(app, cmk, bytes(32))
    outcomes: list[Any] = []

    async def attempt() -> None:
        [item] = (await app.at(V2_1).batch([request])).batch_items
        outcomes.append(item.result_reason)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(attempt)
    assert sorted(outcomes, key=str).count(ResultReason.INVALID_TICKET) == 3
    assert None in outcomes


async def test_a_token_is_good_for_24_hours(server: Server, app: Caller) -> None:
    cmk = await external(app)
    early, late = await wrapped(app, cmk, bytes(32)), await wrapped(app, cmk, bytes(32))
    assert (await parameters(app, cmk)).token_expire_time == int(server.now) + DAY
    server.now += DAY - 1
    await app.call(early)
    server.now += 1
    assert await app.at(V2_1).refused(late) == ResultReason.INVALID_TICKET


async def test_a_token_is_good_for_its_own_key(app: Caller) -> None:
    cmk, other = await external(app), await external(app)
    request = replace(await wrapped(app, cmk, bytes(32)), unique_identifier=other.uid)
    assert await app.at(V2_1).refused(request) == ResultReason.INVALID_TICKET
    for token in ("", "no-token", cmk.uid):
        assert await app.at(V2_1).refused(replace(request, import_token=token)) == ResultReason.INVALID_TICKET


async def test_every_set_of_parameters_is_new_and_there_are_not_too_many(server: Server, app: Caller) -> None:
    cmk = await external(app)
    one, other = await parameters(app, cmk), await parameters(app, cmk)
    assert one.wrapping_public_key != other.wrapping_public_key
    assert one.import_token != other.import_token
    query_most = MAXIMUM_TOKENS - 2
    for _ in range(query_most):
        await parameters(app, cmk)
    request = GetParametersForImportRequest(
        unique_identifier=cmk.uid, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    assert await app.at(V2_1).refused(request) == ResultReason.SERVER_LIMIT_EXCEEDED
    server.now += DAY
    await parameters(app, cmk)
    assert cmks.stored(server, one.import_token).material is None


async def test_every_failure_to_open_has_one_answer(app: Caller) -> None:
    cmk = await external(app)
    answers = set()
    good = await wrapped(app, cmk, bytes(32), "RSA_AES_KEY_WRAP_SHA_256")
    body = good.encrypted_key_material
    other = await external(app)
    strange = (await wrapped(app, other, bytes(32), "RSA_AES_KEY_WRAP_SHA_256")).encrypted_key_material
    for bad in (
        b"",
        b"\x00",
        body[:-1],
        body + b"\x00",
        body[:255],
        body[:256],
        bytes([body[0] ^ 1]) + body[1:],
        body[:-1] + bytes([body[-1] ^ 1]),
        os.urandom(len(body)),
        strange,
        b"\xff" * len(body),
    ):
        [item] = (await app.batch([replace(good, encrypted_key_material=bad)])).batch_items
        answers.add((item.result_status, item.result_reason, item.result_message))
    short = await wrapped(app, cmk, bytes(31), "RSA_AES_KEY_WRAP_SHA_256")
    [item] = (await app.batch([short])).batch_items
    answers.add((item.result_status, item.result_reason, item.result_message))
    assert answers == {(ResultStatus.OPERATION_FAILED, FAILURE, "the key material does not open, or is not this key's")}
    # What does not open does not spend the token.
    await app.call(good)


async def test_only_the_same_material_may_come_again(server: Server, app: Caller) -> None:
    cmk = await external(app)
    material = os.urandom(32)
    await app.call(await wrapped(app, cmk, material))
    sealed = (await app.call(KMSEncryptRequest(unique_identifier=cmk.uid, data=b"secret"))).ciphertext_blob
    for delete in (False, True):
        if delete:
            await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
            assert state(server, cmk) is KeyState.PENDING_IMPORT
            refused = await app.at(V2_1).refused(KMSDecryptRequest(ciphertext_blob=sealed))
            assert refused == ResultReason.KEY_VALUE_NOT_PRESENT
        other = await wrapped(app, cmk, os.urandom(32))
        assert await app.refused(other) == FAILURE
        await app.call(await wrapped(app, cmk, material))
        assert (await app.call(KMSDecryptRequest(ciphertext_blob=sealed))).data == b"secret"
    assert cmks.read(server, cmk).versions == 1


async def test_the_same_material_in_two_keys_opens_nothing_of_the_other(app: Caller) -> None:
    one, other = await external(app), await external(app)
    for cmk in (one, other):
        await app.call(await wrapped(app, cmk, bytes(range(32))))
    sealed = (await app.call(KMSEncryptRequest(unique_identifier=one.uid, data=b"secret"))).ciphertext_blob
    request = KMSDecryptRequest(ciphertext_blob=sealed, unique_identifier=other.uid)
    assert await app.refused(request) == ResultReason.INVALID_FIELD


async def test_material_expires_and_comes_back(server: Server, app: Caller) -> None:
    cmk = await external(app)
    now = int(server.now)
    for past in (now, now - 1, 1):
        refused = await app.refused(await wrapped(app, cmk, bytes(32), material_expire_time=past))
        assert refused == ResultReason.INVALID_FIELD
    await app.call(await wrapped(app, cmk, bytes(32), material_expire_time=now + 1))
    sealed = (await app.call(KMSEncryptRequest(unique_identifier=cmk.uid, data=b"secret"))).ciphertext_blob
    server.now += 1
    assert state(server, cmk) is KeyState.PENDING_IMPORT
    refused = await app.at(V2_1).refused(KMSDecryptRequest(ciphertext_blob=sealed))
    assert refused == ResultReason.KEY_VALUE_NOT_PRESENT
    await app.call(await wrapped(app, cmk, bytes(32), material_expire_time=0))
    server.now += 10 * 365 * DAY
    assert (await app.call(KMSDecryptRequest(ciphertext_blob=sealed))).data == b"secret"


async def test_material_is_of_an_algorithm_that_the_tenant_allows(server: Server, app: Caller) -> None:
    cmk = await external(app)
    request = await wrapped(app, cmk, bytes(32))
    tenant = server.services.tenants["acme"]
    policy = replace(tenant.policy, algorithms={})
    server.services.tenants["acme"] = replace(tenant, policy=policy)  # type: ignore[index]
    assert await app.refused(request) == ResultReason.PERMISSION_DENIED
    asking = GetParametersForImportRequest(
        unique_identifier=cmk.uid, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    assert await app.refused(asking) == ResultReason.PERMISSION_DENIED


async def test_a_disabled_key_stays_disabled(server: Server, app: Caller) -> None:
    cmk = await external(app)
    await app.call(await wrapped(app, cmk, bytes(32)))
    await cmks.change(server, replace(cmks.read(server, cmk), enabled=False))
    await app.call(await wrapped(app, cmk, bytes(32)))
    assert state(server, cmk) is KeyState.DISABLED


async def test_pending_deletion_takes_no_material_and_keeps_its_date_without(server: Server, app: Caller) -> None:
    cmk = await external(app)
    await app.call(await wrapped(app, cmk, bytes(32)))
    request = await wrapped(app, cmk, bytes(32))
    date = int(server.now) + 30 * DAY
    await cmks.change(server, replace(cmks.read(server, cmk), deletion_date=date))
    assert await app.at(V2_1).refused(request) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    await parameters(app, cmk)
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    left = cmks.read(server, cmk)
    assert (left.state(int(server.now)), left.deletion_date) == (KeyState.PENDING_DELETION, date)


async def test_deleting_material_leaves_nothing_of_it_and_may_be_repeated(server: Server, app: Caller) -> None:
    cmk = await external(app)
    await app.call(await wrapped(app, cmk, bytes(32)))
    for _ in range(2):
        await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    primary = cmks.read(server, cmk).primary
    assert primary is not None
    assert cmks.stored(server, primary).material is None


async def test_what_is_made_here_neither_takes_nor_gives_up_material(app: Caller) -> None:
    cmk = await cmks.make_cmk(app)
    for request in (
        GetParametersForImportRequest(
            unique_identifier=cmk.uid, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
        ),
        ImportKeyMaterialRequest(unique_identifier=cmk.uid, encrypted_key_material=b"1", import_token="1"),
        DeleteKeyMaterialRequest(unique_identifier=cmk.uid),
    ):
        assert await app.refused(request) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_an_import_names_the_key_itself(app: Caller) -> None:
    cmk = await external(app, aliases=("alias/app",))
    request = replace(await wrapped(app, cmk, bytes(32)), unique_identifier="alias/app")
    assert await app.refused(request) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_imported_material_is_not_rotated(app: Caller) -> None:
    cmk = await external(app)
    await app.call(await wrapped(app, cmk, bytes(32)))
    assert await app.refused(RotateCMKRequest(unique_identifier=cmk.uid)) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_pkcs1_v1_5_is_for_tenants_that_allow_it(server: Server, app: Caller) -> None:
    cmk = await external(app)
    request = GetParametersForImportRequest(
        unique_identifier=cmk.uid, wrapping_algorithm="RSAES_PKCS1_V1_5", wrapping_key_spec="RSA_2048"
    )
    assert await app.refused(request) == ResultReason.PERMISSION_DENIED
    tenant = server.services.tenants["acme"]
    policy = replace(tenant.policy, keys=replace(tenant.policy.keys, pkcs1_import=True))
    server.services.tenants["acme"] = replace(tenant, policy=policy)  # type: ignore[index]
    bad = replace(await wrapped(app, cmk, bytes(32), "RSAES_PKCS1_V1_5"), encrypted_key_material=bytes(256))
    assert await app.refused(bad) == FAILURE
    await app.call(await wrapped(app, cmk, bytes(32), "RSAES_PKCS1_V1_5"))


async def test_a_wrapping_key_is_not_given_to_anybody(server: Server, app: Caller) -> None:
    cmk = await external(app)
    given = await parameters(app, cmk)
    assert await app.at(V2_1).refused(GetRequest(unique_identifier=given.import_token)) in (
        ResultReason.SENSITIVE,
        ResultReason.NOT_EXTRACTABLE,
    )
    for name, value in (("Extractable", True), ("Sensitive", False)):
        change = ModifyAttributeRequest(unique_identifier=given.import_token, new_attribute=Attribute(name, value))
        assert await app.at(V2_1).refused(change) == ResultReason.ATTRIBUTE_READ_ONLY
