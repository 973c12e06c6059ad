"""Asynchronous requests and Poll: done later, in order, for the client alone."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from kmsd.operations.asynchronous import Owner, Requests
from protocol.enums import (
    AsynchronousIndicator,
    BatchErrorContinuationOption,
    ObjectType,
    Operation,
    ResultReason,
    ResultStatus,
)
from protocol.message import ResponseBatchItem
from protocol.operations.locate import LocateRequest
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_0, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.later import poll, put_off
from tests.operations.requests import activate, attributes, create, get, name, shown

LATER = {"asynchronous_indicator": AsynchronousIndicator.MANDATORY}


@pytest.mark.parametrize("version", SUPPORTED)
async def test_what_was_put_off_is_answered_under_its_own_name(app: Caller, version: Any) -> None:
    app = app.at(version)
    [value] = await put_off(app, create())
    [item] = (await app.batch([poll(value)])).batch_items
    assert item.operation == Operation.CREATE
    assert item.result_status == ResultStatus.SUCCESS
    assert item.unique_batch_item_id == b"\0"
    assert item.payload.object_type == ObjectType.SYMMETRIC_KEY  # type: ignore[attr-defined]
    assert await app.call(get(item.payload.unique_identifier))  # type: ignore[attr-defined]


async def test_a_result_may_be_fetched_again_while_it_is_kept(app: Caller) -> None:
    [value] = await put_off(app, create())
    assert await app.call(poll(value)) == await app.call(poll(value))


async def test_a_failure_is_the_one_of_the_request(app: Caller) -> None:
    [value] = await put_off(app, get("none"))
    [item] = (await app.batch([poll(value)])).batch_items
    assert item.operation == Operation.GET
    assert item.result_reason == ResultReason.ITEM_NOT_FOUND


async def test_the_items_of_a_batch_are_done_in_order(app: Caller) -> None:
    values = await put_off(app, create(), activate(), attributes())
    seen = shown(await app.call(poll(values[2])))
    made = await app.call(poll(values[0]))
    assert seen["Unique Identifier"] == made.unique_identifier
    assert seen["State"].name == "ACTIVE"


async def test_after_a_failure_the_rest_is_not_done_unless_asked_to_go_on(app: Caller) -> None:
    values = await put_off(app, get("none"), create(name("rest")))
    assert await app.refused(poll(values[1])) == ResultReason.GENERAL_FAILURE
    go_on = {"option": BatchErrorContinuationOption.CONTINUE}
    values = await put_off(app, get("none"), create(name("rest")), **go_on)
    assert (await app.call(poll(values[1]))).unique_identifier


async def test_nobody_else_fetches_the_result(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    [value] = await put_off(app, create())
    for other in (server.caller("bank", version=V2_1), server.caller(name="reader", version=V2_1)):
        assert await other.refused(poll(value)) == ResultReason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE
    assert await app.at(V1_4).refused(poll(b"unknown")) == ResultReason.ITEM_NOT_FOUND


async def test_what_a_role_does_not_allow_is_refused_later_too(app: Caller, server: Server) -> None:
    reader = server.caller(name="reader")
    [value] = await put_off(reader, create())
    assert await reader.refused(poll(value)) == ResultReason.PERMISSION_DENIED


async def test_a_client_has_only_so_many_at_once(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    values = await put_off(app, *[create()] * 4)
    response = await app.batch([create()], **LATER)
    assert response.batch_items[0].result_reason == ResultReason.SERVER_LIMIT_EXCEEDED
    assert await put_off(server.caller("bank", version=V2_1), create())
    await app.call(poll(values[0]))
    assert await put_off(app, create())
    # What made room was the result that the client has.
    assert await app.refused(poll(values[0])) == ResultReason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE


@pytest.mark.parametrize(
    ("version", "indicator"),
    [
        (V1_0, False),
        (V1_4, None),
        (V2_0, AsynchronousIndicator.OPTIONAL),
        (V2_1, AsynchronousIndicator.PROHIBITED),
    ],
)
async def test_nobody_waits_who_did_not_ask_to(app: Caller, version: Any, indicator: Any) -> None:
    response = await app.at(version).batch([create()], asynchronous_indicator=indicator)
    assert response.batch_items[0].result_status == ResultStatus.SUCCESS


@pytest.mark.parametrize("number", [0, 4, 0x80000001])
async def test_another_asynchronous_indicator_is_refused_before_anything_is_done(app: Caller, number: int) -> None:
    app = app.at(V2_1)
    indicator = AsynchronousIndicator._missing_(number)
    [item] = (await app.batch([create(), create()], asynchronous_indicator=indicator)).batch_items
    assert item.result_reason == ResultReason.UNKNOWN_ENUMERATION
    assert item.result_message == f"Asynchronous Indicator 0x{number:08X} is not known"
    assert not (await app.call(LocateRequest())).unique_identifiers


async def test_what_must_be_asynchronous_and_cannot_be_is_refused(app: Caller) -> None:
    app = app.at(V2_1)
    undo = BatchErrorContinuationOption.UNDO
    for payloads, option in (([poll(b"x")], None), ([create(), create()], undo)):
        [item] = (await app.batch(payloads, option, **LATER)).batch_items
        assert item.result_reason == ResultReason.FEATURE_NOT_SUPPORTED


async def test_a_1_x_server_chooses_to_do_at_once_what_cannot_wait(app: Caller) -> None:
    undo = BatchErrorContinuationOption.UNDO
    items = (await app.batch([create(), create()], undo, asynchronous_indicator=True)).batch_items
    assert [item.result_status for item in items] == [ResultStatus.SUCCESS] * 2
    [item] = (await app.batch([poll(b"x")], asynchronous_indicator=True)).batch_items
    assert item.result_reason == ResultReason.ITEM_NOT_FOUND


async def test_a_request_in_work_is_pending(nursery: trio.Nursery, autojump_clock: Any) -> None:
    requests = Requests(keep=10, per_client=1, delay=1)
    await nursery.start(requests.run)
    owner = Owner("acme", "app")
    begun = trio.Event()

    async def work(jobs: Any) -> None:
        assert jobs[0].begin()
        begun.set()
        await trio.sleep(5)
        jobs[0].finish(ResponseBatchItem(result_status=ResultStatus.SUCCESS))

    [job] = requests.submit(owner, [Operation.CREATE], 0, work)
    await begun.wait()
    assert await requests.result(job) is None
    job.processed = True
    assert await requests.result(job) is not None
    assert requests.find(owner, job.value) is job
    await trio.sleep(11)
    assert requests.outstanding(owner) == []
    nursery.cancel_scope.cancel()


async def test_the_end_waits_for_what_has_begun_and_drops_the_rest(autojump_clock: Any) -> None:
    requests = Requests(keep=10, per_client=2, delay=1)
    done = []

    async def work(jobs: Any) -> None:
        jobs[0].begin()
        await trio.sleep(5)
        done.append(jobs[0])
        jobs[0].finish(ResponseBatchItem(result_status=ResultStatus.SUCCESS))

    async with trio.open_nursery() as nursery:
        await nursery.start(requests.run)
        [first] = requests.submit(Owner("acme", "app"), [Operation.CREATE], 0, work)
        await trio.sleep(2)
        requests.submit(Owner("acme", "app"), [Operation.CREATE], 0, work)
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    assert done == [first]


def test_nothing_is_taken_that_nobody_runs() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        Requests(keep=1, per_client=1, delay=1).submit(Owner("acme", "app"), [Operation.CREATE], 0, lambda jobs: None)  # type: ignore[arg-type,return-value]
