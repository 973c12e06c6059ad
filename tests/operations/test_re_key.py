"""Re-key: what the replacement takes over, what stays, dates by Offset, refusals, and two at once."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from protocol.attributes import Attribute, Template
from protocol.enums import (
    BatchErrorContinuationOption,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    LinkType,
    ObjectType,
    ProtectionStorageMask,
    ResultReason,
    ResultStatus,
    RevocationReasonCode,
    RotateNameType,
    State,
    UsageLimitsUnit,
)
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.structures import CryptographicParameters, ProtectionStorageMasks, RotateName, UsageLimits
from protocol.versions import SUPPORTED, V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Refused, Server
from tests.operations.requests import activate, attributes, create, destroy, get, name, pair, revoke, shown

HOUR = 3600


def re_key(uid: Any, *asked: Attribute, offset: int | None = None, masks: Any = None) -> ReKeyRequest:
    template = Template(attributes=asked) if asked else None
    return ReKeyRequest(unique_identifier=uid, offset=offset, attributes=template, protection_storage_masks=masks)


def names(response: Any) -> list[str]:
    return [a.value.name_value for a in response.attributes if a.key == "Name"]


def links(response: Any) -> list[tuple[LinkType, Any]]:
    found = [a.value for a in response.attributes if a.key == "Link"]
    return [(link.link_type, link.linked_object_identifier) for link in found]


async def material(app: Caller, uid: str) -> bytes:
    block = (await app.call(get(uid))).managed_object.key_block
    value = block.key_value.key_material
    assert isinstance(value, bytes)
    return value


@pytest.mark.parametrize("version", SUPPORTED)
async def test_the_replacement_has_the_name_and_new_material_and_both_know_of_each_other(
    app: Caller, version: Any
) -> None:
    app = app.at(version)
    old = (await app.call(create(name("disk")))).unique_identifier
    new = (await app.call(re_key(old))).unique_identifier
    assert new != old
    before, after = await app.call(attributes(old)), await app.call(attributes(new))
    assert names(before) == []
    assert names(after) == ["disk"]
    assert links(before) == [(LinkType.REPLACEMENT_OBJECT_LINK, new)]
    assert links(after) == [(LinkType.REPLACED_OBJECT_LINK, old)]
    assert await material(app, new) != await material(app, old)
    found = await app.call(LocateRequest(attributes=(name("disk"),)))
    assert found.unique_identifiers == (new,)


async def test_what_is_copied_and_what_is_not(app: Caller, server: Server) -> None:
    limits = UsageLimits(usage_limits_total=1000, usage_limits_count=1000, usage_limits_unit=UsageLimitsUnit.BYTE)
    old = (
        await app.call(
            create(
                Attribute("Activation Date", NOW - HOUR),
                Attribute("Object Group", "group"),
                Attribute("Contact Information", "someone"),
                Attribute("Usage Limits", limits),
                Attribute("Cryptographic Parameters", CryptographicParameters(random_iv=True)),
            )
        )
    ).unique_identifier
    await app.call(EncryptRequest(unique_identifier=old, data=bytes(16)))
    server.now += 5
    new = (await app.call(re_key(old))).unique_identifier
    before, after = shown(await app.call(attributes(old))), shown(await app.call(attributes(new)))
    for copied in (
        *("Cryptographic Algorithm", "Cryptographic Length", "Cryptographic Usage Mask", "Cryptographic Parameters"),
        *("Object Group", "Contact Information", "Activation Date", "State"),
    ):
        assert after[copied] == before[copied], copied
    assert before["Usage Limits"].usage_limits_count == 1000 - 16
    assert after["Usage Limits"].usage_limits_count == 1000
    assert after["Digest"] != before["Digest"]
    for now in ("Initial Date", "Last Change Date", "Original Creation Date"):
        assert after[now] == NOW + 5
    assert before["Initial Date"] == NOW
    assert before["Last Change Date"] == NOW + 5


async def test_a_revoked_key_is_replaced_by_one_without_its_revocation(app: Caller) -> None:
    old = (await app.call(create(Attribute("Activation Date", NOW - HOUR)))).unique_identifier
    await app.call(revoke(old, RevocationReasonCode.KEY_COMPROMISE))
    new = (await app.call(re_key(old))).unique_identifier
    before, after = shown(await app.call(attributes(old))), shown(await app.call(attributes(new)))
    assert (before["State"], after["State"]) == (State.COMPROMISED, State.ACTIVE)
    gone = {"Revocation Reason", "Compromise Date", "Compromise Occurrence Date"}
    assert gone <= before.keys()
    assert not gone & after.keys()


async def test_an_offset_moves_every_date_by_as_much_as_the_activation(app: Caller, server: Server) -> None:
    dates = {
        "Activation Date": NOW + 100,
        "Process Start Date": NOW + 200,
        "Protect Stop Date": NOW + 300,
        "Deactivation Date": NOW + 400,
    }
    old = (await app.call(create(*(Attribute(*date) for date in dates.items())))).unique_identifier
    server.now += 1000
    new = (await app.call(re_key(old, offset=7))).unique_identifier
    after = shown(await app.call(attributes(new)))
    moved = NOW + 1000 + 7 - (NOW + 100)
    assert {key: after[key] for key in dates} == {key: date + moved for key, date in dates.items()}
    assert after["State"] == State.PRE_ACTIVE


async def test_without_an_offset_the_dates_are_copied(app: Caller, server: Server) -> None:
    wanted = (Attribute("Activation Date", NOW), Attribute("Deactivation Date", NOW + 10))
    old = (await app.call(create(*wanted))).unique_identifier
    server.now += 20
    new = (await app.call(re_key(old))).unique_identifier
    assert shown(await app.call(attributes(new)))["State"] == State.DEACTIVATED
    assert shown(await app.call(attributes(new)))["Deactivation Date"] == NOW + 10


async def test_an_offset_of_zero_activates_a_key_that_had_no_dates(app: Caller) -> None:
    old = (await app.call(create())).unique_identifier
    new = (await app.call(re_key(old, offset=0))).unique_identifier
    after = shown(await app.call(attributes(new)))
    assert (after["State"], after["Activation Date"]) == (State.ACTIVE, NOW)


async def test_what_the_request_asks_for_comes_over_what_is_copied(app: Caller) -> None:
    old = (await app.call(create(name("disk"), Attribute("Contact Information", "someone")))).unique_identifier
    asked = (
        name("disk-2"),
        Attribute("Cryptographic Length", 128),
        Attribute("Contact Information", "another"),
        Attribute("Cryptographic Usage Mask", CryptographicUsageMask.WRAP_KEY),
    )
    new = (await app.call(re_key(old, *asked))).unique_identifier
    response = await app.call(attributes(new))
    assert names(response) == ["disk", "disk-2"]
    after = shown(response)
    assert after["Contact Information"] == "another"
    assert after["Cryptographic Usage Mask"] == CryptographicUsageMask.WRAP_KEY
    assert len(await material(app, new)) == 16


async def test_rotation_is_told_in_2_1(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    rotate_name = Attribute("Rotate Name", RotateName(rotate_name_value="r", rotate_name_type=RotateNameType.URI))
    uids = [(await app.call(create(rotate_name))).unique_identifier]
    for _ in range(2):
        server.now += 60
        uids.append((await app.call(re_key(uids[-1]))).unique_identifier)
    seen = [shown(await app.call(attributes(uid))) for uid in uids]
    assert [s.get("Rotate Generation", 0) for s in seen] == [0, 1, 2]
    assert [s.get("Rotate Latest") for s in seen] == [False, False, True]
    assert [s.get("Rotate Date") for s in seen] == [None, NOW + 60, NOW + 120]
    assert all(s["Rotate Name"] == rotate_name.value for s in seen)
    old = shown(await app.at(V2_0).call(attributes(uids[1])))
    assert not any(attribute.startswith("Rotate") for attribute in old)


async def test_the_placeholder_becomes_the_replacement(app: Caller) -> None:
    response = await app.batch([create(name("n")), re_key(None), attributes()])
    assert names(response.batch_items[2].payload) == ["n"]


async def test_a_batch_that_is_undone_leaves_the_old_key_its_name(app: Caller) -> None:
    old = (await app.call(create(name("kept")))).unique_identifier
    response = await app.batch([re_key(old), get("nowhere")], BatchErrorContinuationOption.UNDO)
    assert response.batch_items[0].result_status == ResultStatus.OPERATION_UNDONE
    seen = await app.call(attributes(old))
    assert names(seen) == ["kept"]
    assert links(seen) == []


@pytest.mark.parametrize(
    ("asked", "offset", "reason"),
    [
        ((Attribute("Activation Date", NOW),), 5, ResultReason.INVALID_MESSAGE),
        ((Attribute("Cryptographic Algorithm", CryptographicAlgorithm.HMAC_SHA256),), None, ResultReason.INVALID_FIELD),
        ((Attribute("Cryptographic Length", 512),), None, ResultReason.PERMISSION_DENIED),
        ((Attribute("State", State.ACTIVE),), None, ResultReason.PERMISSION_DENIED),
        ((Attribute("Deactivation Date", NOW - 2 * HOUR),), None, ResultReason.INVALID_FIELD),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    app: Caller, asked: tuple[Attribute, ...], offset: int | None, reason: ResultReason
) -> None:
    old = (await app.call(create(name("n"), Attribute("Activation Date", NOW - HOUR)))).unique_identifier
    assert await app.refused(re_key(old, *asked, offset=offset)) == reason
    assert names(await app.call(attributes(old))) == ["n"]


async def test_an_offset_cannot_move_dates_without_an_activation(app: Caller) -> None:
    old = (await app.call(create(Attribute("Deactivation Date", NOW + HOUR)))).unique_identifier
    assert await app.refused(re_key(old, offset=1)) == ResultReason.ILLEGAL_OPERATION


async def test_a_key_is_replaced_once(app: Caller) -> None:
    old = (await app.call(create())).unique_identifier
    await app.call(re_key(old))
    for version in SUPPORTED:
        assert await app.at(version).refused(re_key(old)) == ResultReason.PERMISSION_DENIED


async def test_objects_that_have_no_replacement(app: Caller) -> None:
    private = (await app.call(pair())).private_key_unique_identifier
    gone = (await app.call(create())).unique_identifier
    await app.call(destroy(gone))
    for version, kind, destroyed in (
        (V1_4, ResultReason.PERMISSION_DENIED, ResultReason.PERMISSION_DENIED),
        (V2_1, ResultReason.INVALID_OBJECT_TYPE, ResultReason.OBJECT_DESTROYED),
    ):
        assert await app.at(version).refused(re_key(private)) == kind
        assert await app.at(version).refused(re_key(gone)) == destroyed


async def test_other_tenants_and_clients_without_the_right_cannot(app: Caller, server: Server) -> None:
    old = (await app.call(create(name("n")))).unique_identifier
    assert await server.caller("bank").refused(re_key(old)) == ResultReason.ITEM_NOT_FOUND
    assert await server.caller("acme", "reader").refused(re_key(old)) == ResultReason.PERMISSION_DENIED
    assert names(await app.call(attributes(old))) == ["n"]


async def test_of_two_at_once_one_wins(app: Caller) -> None:
    old = (await app.call(create(name("n")))).unique_identifier
    outcomes: list[Any] = []

    async def attempt() -> None:
        try:
            outcomes.append((await app.call(re_key(old))).unique_identifier)
        except Refused as refusal:
            outcomes.append(refusal.reason)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(attempt)
    assert outcomes.count(ResultReason.PERMISSION_DENIED) == 3
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert links(await app.call(attributes(old))) == [(LinkType.REPLACEMENT_OBJECT_LINK, winner)]
    everything = await app.call(LocateRequest(attributes=(Attribute("Object Type", ObjectType.SYMMETRIC_KEY),)))
    assert set(everything.unique_identifiers) == {old, winner}


async def test_a_key_of_the_hsm_is_replaced_in_the_hsm(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    masks = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))
    request = create(name("n"), Attribute("Activation Date", NOW))
    request.protection_storage_masks = masks
    old = (await app.call(request)).unique_identifier
    new = (await app.call(re_key(old))).unique_identifier
    seen = shown(await app.call(attributes(new)))
    assert seen["Protection Storage Mask"] == ProtectionStorageMask.HARDWARE
    assert (seen["Sensitive"], seen["Never Extractable"]) == (True, True)
    assert await app.refused(get(new)) == ResultReason.NOT_EXTRACTABLE
    answers = [(await app.call(EncryptRequest(unique_identifier=uid, data=bytes(16)))).data for uid in (old, new)]
    assert answers[0] != answers[1]


async def test_a_software_key_may_be_replaced_by_one_in_the_hsm(hsm_server: Server) -> None:
    app = hsm_server.caller(version=V2_1)
    old = (await app.call(create(name("n")))).unique_identifier
    masks = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))
    new = (await app.call(re_key(old, masks=masks))).unique_identifier
    await app.call(activate(new))
    seen = shown(await app.call(attributes(new)))
    assert (seen["Sensitive"], seen["Extractable"]) == (True, False)
    assert await app.refused(get(new)) == ResultReason.NOT_EXTRACTABLE
