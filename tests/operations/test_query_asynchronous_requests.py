"""Query Asynchronous Requests: what a client has not fetched, and nothing of others."""

from __future__ import annotations

from protocol.administration import AsynchronousCorrelationValues, Operations
from protocol.enums import Operation, ProcessingStage
from protocol.operations.query_asynchronous_requests import QueryAsynchronousRequestsRequest
from protocol.versions import V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.later import poll, put_off
from tests.operations.requests import create, get

EVERYTHING = QueryAsynchronousRequestsRequest()


async def test_it_lists_what_is_outstanding(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    first, second = await put_off(app, create(), get())
    listed = (await app.call(EVERYTHING)).asynchronous_requests
    assert [(entry.asynchronous_correlation_value, entry.operation) for entry in listed] == [
        (first, Operation.CREATE),
        (second, Operation.GET),
    ]
    assert {entry.processing_stage for entry in listed} == {ProcessingStage.SUBMITTED}
    assert {entry.submission_date for entry in listed} == {NOW * 1_000_000}
    assert (await server.caller("bank", version=V2_1).call(EVERYTHING)).asynchronous_requests == ()
    await app.call(poll(second))
    [left] = (await app.call(EVERYTHING)).asynchronous_requests
    assert (left.asynchronous_correlation_value, left.processing_stage) == (first, ProcessingStage.COMPLETED)


async def test_values_and_operations_narrow_the_list(app: Caller) -> None:
    app = app.at(V2_1)
    first, second = await put_off(app, create(), get())
    values = AsynchronousCorrelationValues(values=(second, b"unknown"))
    [entry] = (
        await app.call(QueryAsynchronousRequestsRequest(asynchronous_correlation_values=values))
    ).asynchronous_requests
    assert entry.asynchronous_correlation_value == second
    operations = Operations(operations=(Operation.CREATE,))
    [entry] = (await app.call(QueryAsynchronousRequestsRequest(operations=operations))).asynchronous_requests
    assert entry.asynchronous_correlation_value == first
    nothing = QueryAsynchronousRequestsRequest(asynchronous_correlation_values=values, operations=operations)
    assert (await app.call(nothing)).asynchronous_requests == ()
