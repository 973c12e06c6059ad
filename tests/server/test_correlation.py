"""The Server Correlation Value: a request has one name, in its answer, in the audit trail and in the log."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from kmsd.server.dispatcher import Dispatcher
from kmsd.server.logs import name_request
from protocol.enums import BatchErrorContinuationOption as Option
from protocol.enums import ResultReason
from protocol.errors import ProtocolError
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.operations.log import LogRequest
from protocol.versions import SUPPORTED, V1_4, V2_0, V2_1, ProtocolVersion
from tests.operations.conftest import OPERATION_OF, Server, server
from tests.operations.later import poll, put_off
from tests.operations.requests import create, get

__all__ = ["server"]


def frame(*payloads: Any, version: ProtocolVersion = V2_1, **header: Any) -> bytes:
    items = tuple(
        RequestBatchItem(operation=OPERATION_OF[type(payload)], unique_batch_item_id=bytes([number]), payload=payload)
        for number, payload in enumerate(payloads)
    )
    return encode_request(
        RequestMessage(
            header=RequestHeader(protocol_version=version, batch_count=len(items), **header), batch_items=items
        )
    )


def trail(server: Server) -> list[tuple[str, str | None, str | None]]:
    return [
        (record.operation, record.server_correlation_value, record.client_correlation_value)
        for _, record in server.store.audit_after(0)
    ]


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
async def test_a_response_has_the_value_of_its_audit_record(server: Server, version: ProtocolVersion) -> None:
    app = server.caller(version=version)
    values = [(await app.batch([create(), get()])).header.server_correlation_value for _ in range(2)]
    recorded = [value for _, value, _ in trail(server)]
    # Each caller's request comes over a connection of its own.
    assert len(set(recorded)) == 2
    assert all(value is not None and value.endswith("-1") for value in recorded)
    expected = [recorded[0], recorded[2]] if version >= V1_4 else [None, None]
    assert values == expected
    assert recorded == [recorded[0]] * 2 + [recorded[2]] * 2


async def test_the_requests_of_a_connection_are_counted_by_themselves(server: Server) -> None:
    one, other = server.peer("acme", "app"), server.peer("bank", "app")
    for peer in (one, other, one, other, one):
        await server.dispatcher.respond(peer, frame(create()))
    expected = [(one, 1), (other, 1), (one, 2), (other, 2), (one, 3)]
    assert [value for _, value, _ in trail(server)] == [f"{peer.connection}-{number}" for peer, number in expected]
    assert one.connection != other.connection


async def test_a_value_of_the_client_s_is_in_the_trail(server: Server) -> None:
    app = server.caller(version=V1_4)
    theirs = "order 17 step=3"
    await app.batch([create()], client_correlation_value=theirs)
    await app.batch([create(), get("missing")], Option.UNDO, client_correlation_value="x" * 1_000_000)
    assert [called for _, _, called in trail(server)] == [theirs, *["x" * 128 + "…"] * 2]


async def test_what_is_refused_at_once_has_one_too(server: Server) -> None:
    peer = server.peer("acme", "app")
    dispatcher = Dispatcher(server.services, server.peers, maximum_items=1)
    answer = await dispatcher.respond(peer, frame(create(), get(), client_correlation_value="too many"))
    response = decode_response(answer.data)
    assert response.batch_items[0].result_reason == ResultReason.INVALID_MESSAGE
    assert response.header.server_correlation_value == f"{peer.connection}-1"
    assert trail(server) == [("CREATE", f"{peer.connection}-1", "too many")]
    # Whoever sends what is no request may speak any version.
    response = decode_response(await dispatcher.reject(peer, ProtocolError("no request")))
    assert response.header.server_correlation_value is None
    assert trail(server)[1:] == [("MESSAGE", f"{peer.connection}-2", None)]


async def test_what_is_done_later_is_done_in_the_name_of_its_request(server: Server) -> None:
    app = server.caller(version=V2_1)
    [value] = await put_off(app, create())
    await app.call(poll(value))
    submitted, done, polled = trail(server)
    assert submitted[1] == done[1] != polled[1]


async def test_what_the_log_says_names_the_request(server: Server) -> None:
    peer = server.peer("acme", "app")
    with capture_logs(processors=[name_request]) as logs:
        for version in (V2_0, V2_1):
            await server.dispatcher.respond(peer, frame(LogRequest(log_message="here"), version=version))
    assert [entry["request"] for entry in logs] == [f"{peer.connection}-{number}" for number in (1, 2)]


async def test_the_value_counts_in_the_maximum_response_size(server: Server) -> None:
    app = server.caller(version=V2_1)
    uid = (await app.call(create())).unique_identifier
    whole = await server.dispatcher.respond(server.peer("acme", "app"), frame(get(uid)))
    asked = frame(get(uid), maximum_response_size=len(whole.data))
    fits = await server.dispatcher.respond(server.peer("acme", "app"), asked)
    assert len(fits.data) == len(whole.data)
    asked = frame(get(uid), maximum_response_size=len(whole.data) - 1)
    refused = decode_response((await server.dispatcher.respond(server.peer("acme", "app"), asked)).data)
    assert refused.batch_items[0].result_reason == ResultReason.RESPONSE_TOO_LARGE
    assert refused.header.server_correlation_value is not None
