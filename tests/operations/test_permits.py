"""What is remembered of a permit changes no answer: whatever stands against a use counts from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kmsd.operations import permits
from protocol.attributes import Attribute
from protocol.enums import (
    BatchErrorContinuationOption,
    BlockCipherMode,
    PaddingMethod,
    ResultReason,
    ResultStatus,
    RevocationReasonCode,
    UsageLimitsUnit,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.operations.archive import ArchiveRequest
from protocol.operations.decrypt import DecryptRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.structures import CryptographicParameters, UsageLimits
from protocol.versions import V2_1
from tests.operations import cmks, keys
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import activate, create, destroy, get, pair, revoke

CBC = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5)
CTR = CryptographicParameters(block_cipher_mode=BlockCipherMode.CTR)
SUCCESS = (ResultStatus.SUCCESS, None)
IV = bytes(16)


@pytest.fixture
def app(server: Server) -> Caller:
    return server.caller(version=V2_1)


async def make(app: Caller, *attributes: Attribute, **more: Any) -> str:
    uid: str = (await app.call(create(Attribute("Activation Date", NOW), *attributes, **more))).unique_identifier
    return uid


def encrypt(uid: str, parameters: CryptographicParameters | None = CBC) -> EncryptRequest:
    return EncryptRequest(unique_identifier=uid, cryptographic_parameters=parameters, data=b"text", iv_counter_nonce=IV)


async def answer(app: Caller, request: Any) -> tuple[Any, ...]:
    [item] = (await app.batch([request])).batch_items
    return item.result_status, item.result_reason, item.result_message, item.payload


async def outcome(app: Caller, request: Any) -> tuple[ResultStatus, ResultReason | None]:
    """Of the request, which is the same with and without what is remembered."""
    remembered = await answer(app, request)
    app.server.services.permits._known.clear()
    assert await answer(app, request) == remembered
    assert await answer(app, request) == remembered
    return remembered[:2]


CHANGES: dict[str, tuple[Callable[[str], list[Any]], ResultReason]] = {
    "deactivated": (lambda uid: [revoke(uid)], ResultReason.WRONG_KEY_LIFECYCLE_STATE),
    "compromised": (
        lambda uid: [revoke(uid, RevocationReasonCode.KEY_COMPROMISE)],
        ResultReason.WRONG_KEY_LIFECYCLE_STATE,
    ),
    "destroyed": (lambda uid: [revoke(uid), destroy(uid)], ResultReason.OBJECT_DESTROYED),
    "archived": (lambda uid: [ArchiveRequest(unique_identifier=uid)], ResultReason.OBJECT_ARCHIVED),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_of_the_object_counts_from_then_on(app: Caller, what: str) -> None:
    uid = await make(app)
    assert await outcome(app, encrypt(uid)) == SUCCESS
    changes, reason = CHANGES[what]
    for change in changes(uid):
        await app.call(change)
    assert await outcome(app, encrypt(uid)) == (ResultStatus.OPERATION_FAILED, reason)


async def test_a_usage_mask_that_was_changed_counts_from_then_on(server: Server, app: Caller) -> None:
    uid = await make(app)
    assert await outcome(app, encrypt(uid)) == SUCCESS
    await cmks.update(server, cmks.stored(server, uid).set("Cryptographic Usage Mask", Mask.DECRYPT))
    refused = (ResultStatus.OPERATION_FAILED, ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)
    assert await outcome(app, encrypt(uid)) == refused


@pytest.mark.parametrize(
    ("date", "begins"),
    [("Deactivation Date", False), ("Protect Stop Date", False), ("Process Start Date", True)],
)
async def test_a_date_counts_when_it_comes(server: Server, app: Caller, date: str, begins: bool) -> None:
    """The object is not changed meanwhile: time alone makes the difference."""
    uid = await make(app, Attribute(date, NOW + 10))
    if begins:
        request: Any = DecryptRequest(
            unique_identifier=uid, cryptographic_parameters=CTR, data=b"text", iv_counter_nonce=IV
        )
    else:
        request = encrypt(uid)
    refused = (ResultStatus.OPERATION_FAILED, ResultReason.WRONG_KEY_LIFECYCLE_STATE)
    assert await outcome(app, request) == (refused if begins else SUCCESS)
    server.now += 10
    assert await outcome(app, request) == (SUCCESS if begins else refused)


async def test_a_permit_is_for_one_purpose(app: Caller) -> None:
    uid = await make(app, usage=Mask.ENCRYPT)
    assert await outcome(app, encrypt(uid, CTR)) == SUCCESS
    decrypt = DecryptRequest(unique_identifier=uid, cryptographic_parameters=CTR, data=b"text", iv_counter_nonce=IV)
    refused = (ResultStatus.OPERATION_FAILED, ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)
    assert await outcome(app, decrypt) == refused


async def test_parameters_are_those_of_each_request(app: Caller) -> None:
    uid = await make(app, Attribute("Cryptographic Parameters", CBC))
    texts = [(await app.call(encrypt(uid, asked))).data for asked in (CBC, CTR, None, CTR, CBC, None)]
    assert texts[0] == texts[2] == texts[4] == texts[5]
    assert texts[1] == texts[3]
    assert (len(texts[0]), len(texts[1])) == (16, 4)
    change = ModifyAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Cryptographic Parameters", CTR))
    await app.call(change)
    assert (await app.call(encrypt(uid, None))).data == texts[1]


async def test_what_a_batch_has_changed_counts_within_it(app: Caller) -> None:
    uid = await make(app)
    assert await outcome(app, encrypt(uid)) == SUCCESS
    undo = BatchErrorContinuationOption.UNDO
    items = (await app.batch([encrypt(uid), revoke(uid), encrypt(uid)], undo)).batch_items
    assert [item.result_status for item in items][1:] == [
        ResultStatus.OPERATION_UNDONE,
        ResultStatus.OPERATION_FAILED,
    ]
    assert items[2].result_reason == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert await outcome(app, encrypt(uid)) == SUCCESS


async def test_what_a_batch_has_changed_in_the_same_state_counts_within_it(app: Caller) -> None:
    uid = await make(app, Attribute("Cryptographic Parameters", CBC))
    change = ModifyAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Cryptographic Parameters", CTR))
    by_attribute = encrypt(uid, None)
    before = (await app.call(by_attribute)).data
    items = (await app.batch([change, by_attribute], BatchErrorContinuationOption.UNDO)).batch_items
    assert [item.result_status for item in items] == [ResultStatus.SUCCESS] * 2
    assert items[1].payload.data != before
    assert len(items[1].payload.data) == len(b"text")


async def test_usage_limits_are_charged_for_each_use(app: Caller) -> None:
    limits = UsageLimits(usage_limits_total=3, usage_limits_unit=UsageLimitsUnit.OBJECT)
    uid = await make(app, Attribute("Usage Limits", limits))
    given = [(await answer(app, encrypt(uid)))[0] for _ in range(4)]
    assert given == [ResultStatus.SUCCESS] * 3 + [ResultStatus.OPERATION_FAILED]
    assert len(app.server.services.permits) == 0


async def test_a_cmk_is_asked_each_time(app: Caller) -> None:
    cmk = (await keys.make(app)).unique_identifier
    assert (await answer(app, keys.encrypting(cmk)))[0] == ResultStatus.SUCCESS
    for change, expected in ((DisableCMKRequest, False), (EnableCMKRequest, True)):
        await app.call(change(unique_identifier=cmk))
        for _ in range(2):
            assert ((await answer(app, keys.encrypting(cmk)))[0] == ResultStatus.SUCCESS) == expected


async def test_another_tenant_has_no_part_in_it(server: Server, app: Caller) -> None:
    uid = await make(app)
    for request in (encrypt(uid), get(uid)):
        assert await outcome(app, request) == SUCCESS
        found = await outcome(server.caller("bank", version=V2_1), request)
        assert found == (ResultStatus.OPERATION_FAILED, ResultReason.OBJECT_NOT_FOUND)


async def test_memory_is_bounded_and_no_material_is_in_it(
    server: Server, app: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permits, "KEPT", 2)
    uids = [await make(app) for _ in range(3)]
    for uid in uids * 2:
        assert (await answer(app, encrypt(uid)))[0] == ResultStatus.SUCCESS
        assert len(server.services.permits) <= 2
    material = cmks.stored(server, uids[-1]).material
    assert material is not None
    assert repr(material.blob) not in repr(server.services.permits._known)
    assert [place[1] for place in server.services.permits._known] == uids[1:]


@pytest.mark.parametrize(("size", "kept"), [(permits.LONGEST_SOURCE, 1), (permits.LONGEST_SOURCE + 1, 0)])
async def test_what_clients_send_at_length_is_not_kept(app: Caller, size: int, kept: int) -> None:
    made = await app.call(pair())
    asked = CryptographicParameters(padding_method=PaddingMethod.OAEP, p_source=bytes(size))
    await app.call(activate(made.public_key_unique_identifier))
    request = EncryptRequest(
        unique_identifier=made.public_key_unique_identifier, cryptographic_parameters=asked, data=b"text"
    )
    for _ in range(2):
        assert (await answer(app, request))[0] == ResultStatus.SUCCESS
        assert len(app.server.services.permits) == kept


async def test_a_tenant_that_no_longer_tolerates_an_algorithm_is_obeyed(server: Server, app: Caller) -> None:
    uid = await make(app)
    assert await outcome(app, encrypt(uid)) == SUCCESS
    (known,) = [one.standing for one in server.services.permits._known.values()]
    key = cmks.stored(server, uid)
    assert known.algorithm is not None
    for tolerated in ((known.algorithm,), ()):
        permit = known.permit(key, NOW, tolerated)
        assert permit is not None
        assert permit.legacy == bool(tolerated)
