"""Several items in one message: order, ID Placeholder, Stop, Continue, Undo (KMIP 1.4 §6.13, §11.43)."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio

from kmsd.domain.identity import Identity
from kmsd.domain.policy import Grants
from kmsd.operations.batch import Batch
from kmsd.server.outcomes import Mark, Outcomes
from protocol.attributes import Attribute
from protocol.enums import (
    BatchErrorContinuationOption,
    CryptographicUsageMask,
    Data,
    HashingAlgorithm,
    Operation,
    ResultReason,
    ResultStatus,
    State,
    UniqueIdentifier,
    UsageLimitsUnit,
)
from protocol.message import MessageExtension, RequestBatchItem, decode_response, encode_request
from protocol.names import Tag
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.hash import HashRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.mac import MACRequest
from protocol.operations.rng_retrieve import RNGRetrieveRequest
from protocol.structures import CryptographicParameters, UsageLimits
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_0, V1_2, V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, OPERATION_OF, Caller, Server
from tests.operations.outcomes import FAILED, SUCCESS, UNDONE, statuses
from tests.operations.requests import activate, attributes, create, destroy, get, name, register, revoke, shown

Option = BatchErrorContinuationOption


@pytest.mark.parametrize("version", SUPPORTED)
async def test_the_id_placeholder_carries_an_object_through_a_batch(app: Caller, version: Any) -> None:
    response = await app.at(version).batch([create(), activate(), attributes(), revoke(), destroy()])
    assert statuses(response) == [SUCCESS] * 5
    assert [item.unique_batch_item_id for item in response.batch_items] == [bytes([n]) for n in range(5)]
    assert shown(response.batch_items[2].payload)["State"] == State.ACTIVE


async def test_the_id_placeholder_dies_with_its_batch(app: Caller) -> None:
    await app.call(create())
    assert await app.refused(activate()) == ResultReason.ITEM_NOT_FOUND


async def test_locating_one_object_fills_the_placeholder_and_several_empty_it(app: Caller) -> None:
    first = (await app.call(create(name("one")))).unique_identifier
    found = await app.batch([LocateRequest(attributes=(name("one"),)), get()])
    assert found.batch_items[1].payload.unique_identifier == first
    await app.call(create(name("two")))
    found = await app.batch([create(), LocateRequest(), get()])
    assert statuses(found) == [SUCCESS, SUCCESS, FAILED]


async def test_stop_is_the_default_and_leaves_the_rest_unanswered(app: Caller) -> None:
    response = await app.batch([create(name("kept")), get("missing"), create()])
    assert statuses(response) == [SUCCESS, FAILED]
    assert response.header.batch_count == 2
    assert (await app.call(LocateRequest(attributes=(name("kept"),)))).unique_identifiers


async def test_continue_answers_every_item(app: Caller) -> None:
    response = await app.batch([get("missing"), create(), get("missing"), get()], Option.CONTINUE)
    assert statuses(response) == [FAILED, SUCCESS, FAILED, SUCCESS]


@pytest.mark.parametrize("number", [0, 4, 9, 0x80000001])
@pytest.mark.parametrize(
    ("version", "reason"),
    [(V1_2, ResultReason.INVALID_FIELD), (V1_4, ResultReason.INVALID_FIELD), (V2_1, ResultReason.UNKNOWN_ENUMERATION)],
)
async def test_another_continuation_option_is_refused_before_anything_is_done(
    app: Caller, version: Any, reason: Any, number: int
) -> None:
    option = Option._missing_(number)
    for payloads in ([create(), get("no"), create()], [create()]):
        response = await app.at(version).batch(payloads, option)
        [item] = response.batch_items
        assert (item.result_status, item.result_reason) == (FAILED, reason)
        assert item.result_message == f"Batch Error Continuation Option 0x{number:08X} is not known"
    assert not (await app.call(LocateRequest())).unique_identifiers


async def test_undo_leaves_nothing_behind(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    response = await app.batch([activate(uid), create(name("gone")), get("missing"), create()], Option.UNDO)
    assert statuses(response) == [UNDONE, UNDONE, FAILED]
    assert shown(await app.call(attributes(uid)))["State"] == State.PRE_ACTIVE
    assert not (await app.call(LocateRequest(attributes=(name("gone"),)))).unique_identifiers


async def test_what_was_undone_says_which_object_it_was_but_not_a_new_ones_identifier(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    response = await app.batch([activate(uid), register(bytes(32)), get("missing")], Option.UNDO)
    assert statuses(response) == [UNDONE, UNDONE, FAILED]
    assert [item.payload for item in response.batch_items[1:]] == [None, None]
    assert response.batch_items[0].payload.unique_identifier == uid


async def test_what_is_undone_has_no_result_and_says_which_object_it_was(app: Caller, server: Server) -> None:
    limits = UsageLimits(usage_limits_total=1, usage_limits_count=1, usage_limits_unit=UsageLimitsUnit.OBJECT)
    made = await app.call(create(Attribute("Usage Limits", limits), Attribute("Activation Date", NOW)))
    uid = made.unique_identifier
    response = await app.batch([EncryptRequest(unique_identifier=uid, data=b"free"), get("missing")], Option.UNDO)
    assert statuses(response) == [UNDONE, FAILED]
    # A ciphertext would be one that the Usage Limits were not charged for.
    assert response.batch_items[0].payload is None
    [record] = [record for _, record in server.store.audit_after(0) if record.operation == "ENCRYPT"]
    assert (record.uid, record.result) == (uid, "OPERATION_UNDONE")


async def test_an_undoable_batch_that_succeeds_is_kept_as_a_whole(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    response = await app.batch([activate(uid), create(name("new")), activate()], Option.UNDO)
    assert statuses(response) == [SUCCESS] * 3
    assert shown(await app.call(attributes(uid)))["State"] == State.ACTIVE
    [new] = (await app.call(LocateRequest(attributes=(name("new"),)))).unique_identifiers
    assert shown(await app.call(attributes(new)))["State"] == State.ACTIVE


async def test_locate_within_an_undoable_batch_sees_its_changes(app: Caller) -> None:
    uid = (await app.call(create(name("old")))).unique_identifier
    response = await app.batch(
        [create(name("new")), destroy(uid), LocateRequest(), LocateRequest(attributes=(name("new"),)), get()],
        Option.UNDO,
    )
    assert statuses(response) == [SUCCESS] * 5
    made = response.batch_items[0].payload.unique_identifier
    assert response.batch_items[2].payload.unique_identifiers == (made,)
    assert response.batch_items[4].payload.unique_identifier == made


async def test_two_equal_names_undo_the_batch(app: Caller) -> None:
    response = await app.batch([create(name("same")), create(name("same"))], Option.UNDO)
    assert statuses(response) == [UNDONE, FAILED]
    assert not (await app.call(LocateRequest(attributes=(name("same"),)))).unique_identifiers


async def test_an_unknown_operation_fails_its_item_only(app: Caller) -> None:
    items = (
        RequestBatchItem(operation=Operation(0x7F), unique_batch_item_id=b"1", payload=get("x")),
        RequestBatchItem(operation=Operation.CREATE, unique_batch_item_id=b"2", payload=create()),
    )
    frame = await _frame_of(app, items, Option.CONTINUE)
    response = decode_response(await app.send(frame))
    assert statuses(response) == [FAILED, SUCCESS]
    assert response.batch_items[0].result_reason == ResultReason.OPERATION_NOT_SUPPORTED


async def _frame_of(app: Caller, items: tuple[RequestBatchItem, ...], option: Option | None = None) -> bytes:
    from protocol.errors import ProtocolError
    from protocol.message import RequestHeader, RequestMessage, UnreadablePayload

    written = tuple(
        item
        if item.operation.known
        else replace(item, payload=UnreadablePayload(ProtocolError("not of this table"), b""))
        for item in items
    )
    header = RequestHeader(
        protocol_version=app.version, batch_error_continuation_option=option, batch_count=len(written)
    )
    return encode_request(RequestMessage(header=header, batch_items=written))


async def test_a_payload_that_does_not_parse_fails_its_item_only(app: Caller) -> None:
    frame = await _frame_of(
        app,
        (
            RequestBatchItem(operation=Operation.GET, unique_batch_item_id=b"1", payload=get("x")),
            RequestBatchItem(operation=Operation.CREATE, unique_batch_item_id=b"2", payload=create()),
        ),
        Option.CONTINUE,
    )
    # Unique Identifier of the first item becomes an Asynchronous Correlation Value.
    broken = frame.replace(b"\x42\x00\x94\x07", b"\x42\x00\x06\x07", 1)
    response = decode_response(await app.send(broken))
    assert statuses(response) == [FAILED, SUCCESS]
    assert response.batch_items[0].result_reason in (ResultReason.INVALID_MESSAGE, ResultReason.INVALID_FIELD)


async def test_a_critical_extension_is_refused_and_another_is_not(app: Caller) -> None:
    for critical, status in ((True, FAILED), (False, SUCCESS)):
        extension = MessageExtension(
            vendor_identification="other",
            criticality_indicator=critical,
            vendor_extension=Item(Tag.VENDOR_EXTENSION, ItemType.STRUCTURE, ()),
        )
        item = RequestBatchItem(operation=Operation.CREATE, payload=create(), message_extension=(extension,))
        response = decode_response(await app.send(await _frame_of(app, (item,))))
        assert statuses(response) == [status]


async def test_a_batch_item_id_that_occurs_twice_is_refused(app: Caller) -> None:
    item = RequestBatchItem(operation=Operation.CREATE, unique_batch_item_id=b"1", payload=create())
    response = decode_response(await app.send(await _frame_of(app, (item, item))))
    assert response.batch_items[0].result_reason == ResultReason.INVALID_MESSAGE
    assert not (await app.call(LocateRequest())).unique_identifiers


async def test_a_response_above_the_clients_maximum_says_so(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    response = await app.batch([attributes(uid)], maximum_response_size=256)
    assert response.batch_items[0].result_reason == ResultReason.RESPONSE_TOO_LARGE
    assert statuses(await app.batch([attributes(uid)], maximum_response_size=8192)) == [SUCCESS]


@pytest.mark.parametrize(("version", "answered"), [((1, 9), V1_4), ((3, 0), V2_1), ((0, 9), V1_4), ((2, 7), V2_1)])
async def test_an_unsupported_version_is_answered_in_one_we_speak(app: Caller, version: Any, answered: Any) -> None:
    frame = await _frame_of(app, (RequestBatchItem(operation=Operation.GET, payload=get("x")),))
    major, minor = version
    head = bytes.fromhex("42006a0200000004") + major.to_bytes(4) + bytes(4)
    other = frame.replace(bytes.fromhex("42006a0200000004 00000001 00000000"), head, 1)
    tail = bytes.fromhex("42006b0200000004")
    other = other.replace(tail + (4).to_bytes(4), tail + minor.to_bytes(4), 1)
    response = decode_response(await app.send(other))
    assert response.header.protocol_version == answered
    assert response.batch_items[0].operation is None
    assert response.batch_items[0].result_reason in (
        ResultReason.INVALID_MESSAGE,
        ResultReason.UNSUPPORTED_PROTOCOL_VERSION,
    )


@pytest.mark.parametrize(
    ("version", "reason"),
    [(V1_0, ResultReason.ITEM_NOT_FOUND), (V1_4, ResultReason.ITEM_NOT_FOUND), (V2_0, ResultReason.OBJECT_NOT_FOUND)],
)
async def test_a_missing_object_has_the_reason_of_the_clients_version(app: Caller, version: Any, reason: Any) -> None:
    assert await app.at(version).refused(get("no-such-object")) == reason


async def test_a_data_key_in_one_message_by_reference(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    await app.call(activate(uid))
    for reference in (-1, Data.RNG_RETRIEVE):
        response = await app.at(V2_1).batch(
            [RNGRetrieveRequest(data_length=32), EncryptRequest(unique_identifier=uid, data=reference)]
        )
        assert statuses(response) == [SUCCESS] * 2
        assert len(response.batch_items[1].payload.data) == 32


async def test_an_identifier_by_the_operation_that_gave_it(app: Caller) -> None:
    response = await app.at(V2_1).batch([create(), create(), get(UniqueIdentifier.CREATE), get(0)], Option.CONTINUE)
    assert statuses(response) == [SUCCESS] * 4
    made = [item.payload.unique_identifier for item in response.batch_items]
    assert made[2] == made[1]


async def test_two_requests_at_once_cannot_both_change_the_state(app: Caller, server: Server) -> None:
    uid = (await app.call(create())).unique_identifier
    outcomes: list[ResultStatus] = []

    async def try_to_activate() -> None:
        response = await app.batch([activate(uid)])
        outcomes.extend(statuses(response))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(try_to_activate)
    assert sorted(outcomes) == [SUCCESS] + [FAILED] * 7


async def test_many_requests_at_once_on_a_limited_key_are_all_served(app: Caller, server: Server) -> None:
    limits = UsageLimits(usage_limits_total=40, usage_limits_count=40, usage_limits_unit=UsageLimitsUnit.OBJECT)
    made = await app.call(create(Attribute("Usage Limits", limits), Attribute("Activation Date", NOW)))
    uid = made.unique_identifier
    outcomes: list[ResultStatus] = []

    async def encrypt() -> None:
        response = await app.at(V2_1).batch(
            [RNGRetrieveRequest(data_length=16), EncryptRequest(unique_identifier=uid, data=0), attributes(uid)]
        )
        outcomes.extend(statuses(response))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(encrypt)
    assert outcomes == [SUCCESS] * 120
    assert shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count == 0


async def test_a_full_disk_is_a_clear_answer_and_nothing_is_done(app: Caller, server: Server) -> None:
    uid = (await app.call(create())).unique_identifier
    connection = server.store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}").fetchone()
    many = [Attribute("Object Group", f"group {number}") for number in range(200)]
    for option in (Option.STOP, Option.UNDO):
        response = await app.batch([create(*many), create(*many)], option)
        assert response.batch_items[-1].result_reason == ResultReason.GENERAL_FAILURE
        assert "could not store" in response.batch_items[-1].result_message
    connection.execute("PRAGMA max_page_count=1000000").fetchone()
    assert (await app.call(LocateRequest())).unique_identifiers == (uid,)


async def test_what_a_failed_item_began_is_taken_back_at_once(app: Caller, server: Server) -> None:
    done: list[str] = []
    outcomes = Outcomes(server.services)
    batch = Batch(
        services=server.services,
        tenant=server.services.tenants["acme"],
        identity=Identity("acme", "app", ()),
        grants=Grants(()),
        version=V1_4,
        now=NOW,
    )
    batch.compensate(lambda: done.append("earlier item"))
    mark = Mark.of(batch)
    for blocks in (False, True):
        batch.compensate(lambda: done.append("taken back"), blocks=blocks)
        batch.compensate(partial(bytes.fromhex, "no hex"), blocks=blocks)
        batch.compensate(lambda: done.append("before that"), blocks=blocks)
        batch.postpone(lambda: done.append("after a commit that does not come"), blocks=blocks)
    await outcomes.take_back(batch, mark)
    # One effect that fails hides no other, the latest goes first, and no exception reaches the request.
    assert done == ["before that", "taken back"] * 2
    done.clear()
    for blocks in (False, True):
        batch.postpone(partial(bytes.fromhex, "no hex"), blocks=blocks)
        batch.postpone(lambda: done.append("after the commit"), blocks=blocks)
    await outcomes.commit(batch, [])
    assert done == ["after the commit"] * 2


@pytest.mark.parametrize("request_", [create(), RNGRetrieveRequest(data_length=8)], ids=["Create", "RNG Retrieve"])
async def test_ephemeral_withholds_data_and_nothing_else(app: Caller, request_: Any) -> None:
    app = app.at(V2_1)
    item = RequestBatchItem(operation=OPERATION_OF[type(request_)], ephemeral=True, payload=request_)
    [answer] = decode_response(await app.send(await _frame_of(app, (item,)))).batch_items
    assert answer.result_status == SUCCESS
    assert not getattr(answer.payload, "data", None)


async def test_signatures_and_macs_are_data_for_later_items(app: Caller) -> None:
    usage = CryptographicUsageMask.MAC_GENERATE
    made = await app.call(create(Attribute("Activation Date", NOW), usage=usage))
    response = await app.at(V2_1).batch(
        [
            MACRequest(unique_identifier=made.unique_identifier, data=b"message"),
            HashRequest(
                data=Data.MAC_MAC_DATA,
                cryptographic_parameters=CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256),
            ),
        ]
    )
    assert statuses(response) == [SUCCESS] * 2
    mac, digest = (item.payload for item in response.batch_items)
    assert digest.data == hashlib.sha256(mac.mac_data).digest()


async def test_two_tenants_share_names_and_nothing_else(server: Server) -> None:
    acme, bank = server.caller("acme"), server.caller("bank")
    uid = (await acme.call(create(name("same")))).unique_identifier
    other = (await bank.call(create(name("same")))).unique_identifier
    assert (await bank.call(LocateRequest(attributes=(name("same"),)))).unique_identifiers == (other,)
    foreign = await bank.batch([get(uid)])
    missing = await bank.batch([get("f" * len(uid))])
    assert foreign.batch_items[0].result_reason == missing.batch_items[0].result_reason
    assert foreign.batch_items[0].result_message.replace(uid, "") == missing.batch_items[0].result_message.replace(
        "f" * len(uid), ""
    )
    for refused, version in itertools.product((activate, destroy, attributes, get), (V1_2, V2_1)):
        assert await bank.at(version).refused(refused(uid)) in (
            ResultReason.ITEM_NOT_FOUND,
            ResultReason.OBJECT_NOT_FOUND,
        )


async def test_a_role_without_the_operation_is_refused_and_reads_what_it_may(server: Server, app: Caller) -> None:
    uid = (await app.call(create(Attribute("Description", "for readers")))).unique_identifier
    reader = server.caller(name="reader")
    assert shown(await reader.call(attributes(uid)))["Description"] == "for readers"
    for request in (get(uid), create(), destroy(uid), activate(uid)):
        assert await reader.refused(request) == ResultReason.PERMISSION_DENIED
    response = await reader.batch([LocateRequest(), get()])
    assert statuses(response) == [SUCCESS, FAILED]


async def test_each_outcome_is_audited_before_its_answer(app: Caller, server: Server) -> None:
    uid = (await app.call(create())).unique_identifier
    await app.refused(get("missing"))
    records = [record for _, record in server.store.audit_after(0)]
    assert [(r.operation, r.uid, r.result, r.client) for r in records] == [
        ("CREATE", uid, "SUCCESS", "app"),
        ("GET", "missing", "OPERATION_FAILED", "app"),
    ]
