"""Cancel: what has not begun is dropped, and the client is told what it was too late for."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from kmsd.operations.asynchronous import Owner, Requests
from protocol.enums import CancellationResult, Operation, ResultReason, ResultStatus
from protocol.message import ResponseBatchItem
from protocol.operations.cancel import CancelRequest
from protocol.operations.locate import LocateRequest
from protocol.versions import SUPPORTED
from tests.operations.conftest import Caller, Refused, Server
from tests.operations.later import poll, put_off
from tests.operations.requests import create, get, name

Result = CancellationResult


async def cancel(app: Caller, value: bytes) -> CancellationResult:
    response = await app.call(CancelRequest(asynchronous_correlation_value=value))
    assert response.asynchronous_correlation_value == value
    result: CancellationResult = response.cancellation_result
    return result


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_cancelled_request_has_not_happened(app: Caller, version: Any) -> None:
    app = app.at(version)
    [value] = await put_off(app, create(name("never")))
    assert await cancel(app, value) == Result.CANCELED
    [item] = (await app.batch([poll(value)])).batch_items
    assert item.operation == Operation.CREATE
    assert item.result_reason == ResultReason.OPERATION_CANCELED_BY_REQUESTER
    found = await app.call(LocateRequest(attributes=(name("never"),)))
    assert found.unique_identifiers == ()


async def test_what_follows_a_cancelled_item_in_its_batch_is_not_done(app: Caller) -> None:
    values = await put_off(app, create(), get())
    assert await cancel(app, values[0]) == Result.CANCELED
    assert await app.refused(poll(values[1])) == ResultReason.GENERAL_FAILURE


async def test_it_is_too_late_once_it_is_done(app: Caller) -> None:
    [value] = await put_off(app, create())
    await app.call(poll(value))
    assert await cancel(app, value) == Result.COMPLETED
    [value] = await put_off(app, get("none"))
    with pytest.raises(Refused):
        await app.call(poll(value))
    assert await cancel(app, value) == Result.FAILED


async def test_what_is_not_the_clients_is_unavailable(app: Caller, server: Server) -> None:
    [value] = await put_off(app, create())
    assert await cancel(server.caller("bank"), value) == Result.UNAVAILABLE
    assert await cancel(server.caller(name="reader"), value) == Result.UNAVAILABLE
    assert await cancel(app, b"unknown") == Result.UNAVAILABLE
    assert await cancel(app, value) == Result.CANCELED


async def test_what_has_begun_is_finished(nursery: trio.Nursery) -> None:
    requests = Requests(keep=1, per_client=1, delay=0)
    await nursery.start(requests.run)
    owner = Owner("acme", "app")
    begun, go_on = trio.Event(), trio.Event()

    async def work(jobs: Any) -> None:
        jobs[0].begin()
        begun.set()
        await go_on.wait()
        jobs[0].finish(ResponseBatchItem(result_status=ResultStatus.SUCCESS))

    [job] = requests.submit(owner, [Operation.CREATE], 0, work)
    await begun.wait()
    assert requests.cancel(owner, job.value) == Result.UNABLE_TO_CANCEL
    go_on.set()
    await job.finished.wait()
    assert requests.cancel(owner, job.value) == Result.COMPLETED
    nursery.cancel_scope.cancel()
