"""Maximum Response Size (KMIP 1.4 §6.3, 2.1 §9.12): what the client could not be told is not done."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import (
    AsynchronousIndicator,
    BatchErrorContinuationOption,
    CancellationResult,
    QueryFunction,
    ResultReason,
    ResultStatus,
)
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, ResponseMessage, decode_response
from protocol.message import encode_request as encoded
from protocol.operations.cancel import CancelRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.poll import PollRequest
from protocol.operations.process import ProcessRequest
from protocol.operations.query import QueryRequest
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_1
from tests.operations.conftest import OPERATION_OF, Caller
from tests.operations.outcomes import FAILED, SUCCESS, UNDONE, statuses
from tests.operations.requests import attributes, create, destroy, get, name, shown

Option = BatchErrorContinuationOption
TOO_LARGE = ResultReason.RESPONSE_TOO_LARGE


async def ask(
    app: Caller, payloads: list[Any], limit: int | None, option: Option | None = None, **header: Any
) -> tuple[ResponseMessage, int]:
    """The answer and its size in bytes."""
    items = tuple(
        RequestBatchItem(operation=OPERATION_OF[type(payload)], unique_batch_item_id=bytes([number]), payload=payload)
        for number, payload in enumerate(payloads)
    )
    head = RequestHeader(
        protocol_version=app.version,
        maximum_response_size=limit,
        batch_error_continuation_option=option,
        batch_count=len(items),
        **header,
    )
    data = await app.send(encoded(RequestMessage(header=head, batch_items=items)))
    return decode_response(data), len(data)


async def named(app: Caller) -> set[str]:
    """Which of the names of these tests there are."""
    return {
        text
        for text in ("first", "second")
        if (await app.call(LocateRequest(attributes=(name(text),)))).unique_identifiers
    }


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1])
async def test_an_object_is_destroyed_only_where_the_client_can_be_told(app: Caller, version: Any) -> None:
    app = app.at(version)
    whole = (await ask(app, [destroy((await app.call(create())).unique_identifier)], None))[1]
    uid = (await app.call(create())).unique_identifier
    for limit in (-1, 0, 1, 100, whole - 8, whole - 1):
        response, _ = await ask(app, [destroy(uid)], limit)
        [item] = response.batch_items
        assert (item.result_status, item.result_reason) == (FAILED, TOO_LARGE)
    assert (await app.call(get(uid))).unique_identifier == uid
    response, size = await ask(app, [destroy(uid)], whole)
    assert (statuses(response), size) == ([SUCCESS], whole)


async def test_what_fails_is_heard_of_without_words_where_they_do_not_fit(app: Caller) -> None:
    response, size = await ask(app, [get("x" * 100)], None)
    [spoken] = response.batch_items
    response, short = await ask(app, [get("x" * 100)], size - 1)
    [item] = response.batch_items
    assert (item.result_status, item.result_reason) == (FAILED, spoken.result_reason)
    assert (spoken.result_message is None, item.result_message) == (False, None)
    assert short < size


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1])
@pytest.mark.parametrize("option", [None, Option.STOP, Option.CONTINUE, Option.UNDO])
async def test_what_a_batch_says_was_done_is_what_was_done(app: Caller, version: Any, option: Option | None) -> None:
    """For every size: the answer fits, or it is a refusal of all that is as short as there is."""
    app = app.at(version)
    payloads = [
        create(name("first")),
        QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,)),
        create(name("second")),
    ]
    seen = set()
    for limit in range(0, 2000, 40):
        response, size = await ask(app, payloads, limit, option)
        done = statuses(response)
        if size > limit:
            assert done == [FAILED]
            assert response.batch_items[0].result_message is None
        created = {
            text for text, status in zip(("first", "", "second"), done, strict=False) if status == SUCCESS and text
        }
        assert await named(app) == created
        for item in response.batch_items:
            assert (item.result_reason == TOO_LARGE) == (item.result_status == FAILED)
            if (
                item.result_status == SUCCESS
                and item.payload is not None
                and hasattr(item.payload, "unique_identifier")
            ):
                await app.call(destroy(item.payload.unique_identifier))
        seen.add(tuple(done))
    last = {None: (SUCCESS, FAILED), Option.STOP: (SUCCESS, FAILED), Option.UNDO: (UNDONE, FAILED)}
    assert {(FAILED,), (SUCCESS,) * 3, last.get(option, (SUCCESS, FAILED, SUCCESS))} <= seen


async def test_many_refusals_that_do_not_fit_are_one(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    response, size = await ask(app, [get(uid)] * 60, 2000, Option.CONTINUE)
    assert statuses(response) == [FAILED]
    assert size <= 2000
    response, size = await ask(app, [get(uid)] * 60, 6000, Option.CONTINUE)
    assert len(response.batch_items) == 60
    assert {SUCCESS, FAILED} == set(statuses(response))
    assert size <= 6000


@pytest.mark.parametrize("version", SUPPORTED)
async def test_an_attribute_list_above_the_limit_is_refused(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(create())).unique_identifier
    response, size = await ask(app, [attributes(uid)], 256)
    assert response.batch_items[0].result_reason == TOO_LARGE
    assert size <= 256
    response, _ = await ask(app, [attributes(uid)], 8192)
    assert shown(response.batch_items[0].payload)["Cryptographic Length"] == 256


async def test_a_later_answer_waits_until_there_is_room_for_it(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await app.call(create())).unique_identifier
    mandatory = {"asynchronous_indicator": AsynchronousIndicator.MANDATORY}
    response, size = await ask(app, [get(uid), get(uid)], None, **mandatory)
    assert statuses(response) == [ResultStatus.OPERATION_PENDING] * 2
    response, short = await ask(app, [get(uid), get(uid)], size - 1, **mandatory)
    assert (statuses(response), response.batch_items[0].result_reason) == ([FAILED], TOO_LARGE)
    assert short < size
    response, _ = await ask(app, [get(uid)], size, **mandatory)
    poll = PollRequest(asynchronous_correlation_value=response.batch_items[0].asynchronous_correlation_value)
    response, _ = await ask(app, [poll], 200)
    while response.batch_items[0].result_status == ResultStatus.OPERATION_PENDING:
        response, _ = await ask(app, [poll], 200)
    assert response.batch_items[0].result_reason == TOO_LARGE
    response, _ = await ask(app, [poll], 2000)
    assert response.batch_items[0].payload.unique_identifier == uid


@pytest.mark.parametrize("kind", [CancelRequest, ProcessRequest])
async def test_what_acts_at_once_does_so_only_where_the_client_can_be_told(app: Caller, kind: Any) -> None:
    app = app.at(V2_1)

    async def wanted() -> Any:
        response, _ = await ask(app, [create()], None, asynchronous_indicator=AsynchronousIndicator.MANDATORY)
        return kind(asynchronous_correlation_value=response.batch_items[0].asynchronous_correlation_value)

    _, whole = await ask(app, [await wanted()], None)
    request = await wanted()
    response, _ = await ask(app, [request], whole - 1)
    assert response.batch_items[0].result_reason == TOO_LARGE
    # A second Process would be refused as a duplicate, a second Cancel finds nothing to cancel.
    response, size = await ask(app, [request], whole)
    assert (statuses(response), size) == ([SUCCESS], whole)
    if kind is CancelRequest:
        assert response.batch_items[0].payload.cancellation_result == CancellationResult.CANCELED
