"""Process: done at once, and no Poll says Pending any more."""

from __future__ import annotations

from protocol.enums import ResultReason
from protocol.operations.process import ProcessRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.later import poll, put_off
from tests.operations.requests import create


def process(value: bytes) -> ProcessRequest:
    return ProcessRequest(asynchronous_correlation_value=value)


async def test_it_begins_without_a_poll(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    [value] = await put_off(app, create())
    assert (await app.call(process(value))).asynchronous_correlation_value == value
    [job] = server.services.requests.outstanding(("acme", "app"))  # type: ignore[arg-type]
    await job.finished.wait()
    assert (await app.call(poll(value))).unique_identifier


async def test_once_is_enough_and_only_ones_own(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    [value] = await put_off(app, create())
    invalid = ResultReason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE
    assert await server.caller("bank", version=V2_1).refused(process(value)) == invalid
    await app.call(process(value))
    assert await app.refused(process(value)) == ResultReason.DUPLICATE_PROCESS_REQUEST
