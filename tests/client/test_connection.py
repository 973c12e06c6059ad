"""Both clients against servers that do what kmsd does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio

from kmsd.client import Client, ConnectionFailed, ConnectionLost, KmipError, SyncClient, requests
from protocol.enums import ObjectType, Operation, ResultReason, ResultStatus
from protocol.message import RequestMessage, ResponseBatchItem
from protocol.operations.activate import ActivateResponse
from protocol.operations.create import CreateResponse
from protocol.operations.discover_versions import DiscoverVersionsResponse
from protocol.operations.locate import LocateResponse
from protocol.operations.rng_retrieve import RNGRetrieveResponse
from protocol.versions import V1_0, V1_1, V1_2, V1_4, V2_0, V2_1, ProtocolVersion
from tests.client.conftest import Authority, Drive, Scripted, answer

PAYLOADS: dict[Operation, Any] = {
    Operation.LOCATE: LocateResponse(unique_identifiers=("1",)),
    Operation.CREATE: CreateResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier="1"),
    Operation.ACTIVATE: ActivateResponse(unique_identifier="1"),
    Operation.RNG_RETRIEVE: RNGRetrieveResponse(data=b"4"),
}


def success(operation: Operation, payload: Any = None, item_id: bytes | None = None) -> ResponseBatchItem:
    return ResponseBatchItem(
        operation=operation,
        unique_batch_item_id=item_id,
        result_status=ResultStatus.SUCCESS,
        payload=PAYLOADS[operation] if payload is None else payload,
    )


def failure(reason: ResultReason, operation: Operation | None = None) -> ResponseBatchItem:
    return ResponseBatchItem(
        operation=operation, result_status=ResultStatus.OPERATION_FAILED, result_reason=reason, result_message="no"
    )


def good(request: RequestMessage) -> bytes:
    version = request.header.protocol_version
    return answer(version, *(success(item.operation, None, item.unique_batch_item_id) for item in request.batch_items))


# ---- versions ---------------------------------------------------------------------------------------------------
def speaks(*versions: ProtocolVersion) -> Callable[[RequestMessage], bytes]:
    """A server of these versions, which refuses all others in its newest."""

    def reply(request: RequestMessage) -> bytes:
        asked = request.header.protocol_version
        [item] = request.batch_items
        if asked not in versions:
            return answer(versions[0], failure(ResultReason.INVALID_MESSAGE))
        if item.operation == Operation.DISCOVER_VERSIONS and asked == V1_0:
            return answer(asked, failure(ResultReason.OPERATION_NOT_SUPPORTED, item.operation))
        if item.operation == Operation.DISCOVER_VERSIONS:
            payload: Any = item.payload
            common = tuple(version for version in versions if version in payload.protocol_versions)
            return answer(asked, success(item.operation, DiscoverVersionsResponse(protocol_versions=common)))
        return good(request)

    return reply


@pytest.mark.parametrize(
    "versions", [(V1_0,), (V1_1, V1_0), (V1_4, V1_2, V1_1), (V2_0, V1_4, V1_2, V1_1), (V2_1,), (V2_1, V2_0)], ids=str
)
async def test_it_finds_a_version_with_any_server(
    drive: Drive, scripted: Any, versions: tuple[ProtocolVersion, ...]
) -> None:
    async with scripted(speaks(*versions)) as server:
        app = drive(**server.client)
        assert (await app("locate")).unique_identifiers == ("1",)
        assert app.client.version == versions[0]
        assert server.requests[-1].header.protocol_version == versions[0]


async def test_a_server_may_hang_up_on_a_version_it_does_not_know(drive: Drive, scripted: Any) -> None:
    def reply(request: RequestMessage) -> bytes | None:
        return speaks(V2_1)(request) if request.header.protocol_version == V2_1 else None

    async with scripted(reply) as server:
        app = drive(**server.client)
        # Not to be told from a server that is down, so it is said and not guessed round.
        with pytest.raises(ConnectionLost):
            await app("locate")
        pinned = drive(**server.client, version=V2_1)
        assert (await pinned("locate")).unique_identifiers == ("1",)


@pytest.mark.parametrize("operation", [None, Operation.DISCOVER_VERSIONS], ids=["message", "item"])
@pytest.mark.parametrize("reason", [ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, ResultReason.PERMISSION_DENIED])
async def test_who_is_not_let_in_asks_once_and_learns_of_no_version(
    drive: Drive, scripted: Any, reason: ResultReason, operation: Operation | None
) -> None:
    def reply(request: RequestMessage) -> bytes:
        return answer(request.header.protocol_version, failure(reason, operation))

    async with scripted(reply) as server:
        app = drive(**server.client)
        with pytest.raises(KmipError) as caught:
            await app("locate")
        assert caught.value.reason == reason
        assert app.client.version is None
        assert len(server.requests) == 1


async def test_no_common_version(drive: Drive, scripted: Any) -> None:
    def reply(request: RequestMessage) -> bytes:
        payload = DiscoverVersionsResponse(protocol_versions=(ProtocolVersion(3, 0),))
        return answer(request.header.protocol_version, success(Operation.DISCOVER_VERSIONS, payload))

    async with scripted(reply) as server:
        with pytest.raises(ConnectionFailed, match=r"other versions of KMIP: 3\.0"):
            await drive(**server.client).connect()


# ---- lost connections -------------------------------------------------------------------------------------------
class Idle:
    """A server that closes each connection after its first answer, as one does that thinks it idle."""

    def __init__(self) -> None:
        self.served: list[Operation] = []
        self.close = False

    def __call__(self, request: RequestMessage) -> bytes | None:
        self.close = not self.close
        if not self.close:
            return None
        self.served.append(request.batch_items[0].operation)
        return good(request)


async def test_what_only_reads_is_sent_again(drive: Drive, scripted: Any) -> None:
    idle = Idle()
    async with scripted(idle) as server:
        app = drive(**server.client, version=V1_4)
        for _ in range(3):
            assert (await app("locate")).unique_identifiers == ("1",)
        assert server.connections == 3


async def test_what_changes_something_is_not_sent_again(drive: Drive, scripted: Any) -> None:
    idle = Idle()
    async with scripted(idle) as server:
        app = drive(**server.client, version=V1_4)
        await app("create")
        with pytest.raises(ConnectionLost):
            await app("create")
        assert server.connections == 1
        # That was an error for the caller to think about; what comes next is a new request.
        assert (await app("create")).unique_identifier == "1"
        assert server.connections == 2


async def test_a_batch_is_sent_again_only_if_all_of_it_reads(drive: Drive, scripted: Any) -> None:
    async with scripted(Idle()) as server:
        app = drive(**server.client, version=V1_4)
        await app("locate")
        with pytest.raises(ConnectionLost):
            await app("batch", [requests.locate(), requests.activate("1")])


async def test_a_new_connection_that_is_closed_is_not_tried_again(drive: Drive, scripted: Any) -> None:
    async with scripted(lambda request: None) as server:
        with pytest.raises(ConnectionLost, match="closed the connection without an answer"):
            await drive(**server.client, version=V1_4)("locate")
        assert server.connections == 1


# ---- bad answers ------------------------------------------------------------------------------------------------
def wrong_item_id(request: RequestMessage) -> bytes:
    items = [success(item.operation, None, b"other") for item in request.batch_items]
    return answer(V1_4, *items)


BAD_ANSWERS: dict[str, Callable[[RequestMessage], bytes]] = {
    "no KMIP at all": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "garbage in a frame": lambda _: bytes.fromhex("42007b0100000008") + b"\xff" * 8,
    "larger than allowed": lambda _: bytes.fromhex("42007b017ffffff8"),
    "another operation": lambda _: answer(V1_4, success(Operation.ACTIVATE)),
    "another item": wrong_item_id,
    "no item": lambda _: answer(V1_4),
    "too many items": lambda _: answer(V1_4, *[success(Operation.LOCATE)] * 3),
    "no payload": lambda _: answer(
        V1_4, ResponseBatchItem(operation=Operation.LOCATE, result_status=ResultStatus.SUCCESS)
    ),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_a_bad_answer_costs_the_connection_and_is_no_crash(drive: Drive, scripted: Any, bad: Any) -> None:
    def reply(request: RequestMessage) -> bytes:
        return bad(request) if len(server.requests) == 1 else good(request)

    async with scripted(reply) as server:
        app = drive(**server.client, version=V1_4)
        with pytest.raises(ConnectionFailed):
            await app("batch", [requests.locate(), requests.locate()])
        assert (await app("locate")).unique_identifiers == ("1",)
        assert server.connections == 2


async def test_an_answer_that_is_cut_short(drive: Drive, scripted: Any) -> None:
    async def reply(request: RequestMessage) -> bytes | None:
        if len(server.requests) > 1:
            return None
        return good(request)[:-8]

    async with scripted(reply) as server:
        app = drive(**server.client, version=V1_4)
        if isinstance(app.client, SyncClient):
            app.client.timeout = 0.2
            with pytest.raises(ConnectionFailed, match=r"did not answer in 0\.2 seconds"):
                await app("locate")
        else:
            with trio.move_on_after(0.2) as scope:
                await app("locate")
            assert scope.cancelled_caught


async def test_an_answer_in_drops_is_the_same(drive: Drive, authority: Authority) -> None:
    async def drip(stream: Any) -> None:
        await stream.receive_some()
        data = answer(V1_4, success(Operation.LOCATE))
        for byte in data:
            await stream.send_all(bytes([byte]))
        # The client hangs up once it has its answer, with or without a goodbye.
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()

    serving = partial(trio.serve_ssl_over_tcp, drip, 0, authority.server, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(serving)
        port = listener.transport_listener.socket.getsockname()[1]
        app = drive("127.0.0.1", port, **authority.client, version=V1_4)
        assert (await app("locate")).unique_identifiers == ("1",)
        await app.close()
        nursery.cancel_scope.cancel()


async def test_a_refusal_of_the_whole_message_costs_the_connection(drive: Drive, scripted: Any) -> None:
    def reply(request: RequestMessage) -> bytes:
        bad = len(server.requests) == 1
        return answer(V1_4, failure(ResultReason.INVALID_MESSAGE)) if bad else good(request)

    async with scripted(reply) as server:
        app = drive(**server.client, version=V1_4)
        with pytest.raises(KmipError, match="Invalid message: no") as caught:
            await app("create")
        assert caught.value.operation is None
        await app("create")
        assert server.connections == 2


# ---- time -------------------------------------------------------------------------------------------------------
async def never(_request: RequestMessage) -> bytes:
    await trio.sleep_forever()
    raise AssertionError


async def test_a_request_that_takes_too_long_costs_the_connection(scripted: Any) -> None:
    server: Scripted
    async with scripted(never) as server:
        client = SyncClient(**server.client, version=V1_4)
        client.timeout = 0.1
        with pytest.raises(ConnectionFailed, match=r"did not answer in 0\.1 seconds"):
            await trio.to_thread.run_sync(client.locate)
        server.reply = good
        client.timeout = 30
        assert (await trio.to_thread.run_sync(client.locate)).unique_identifiers == ("1",)
        client.close()


async def test_a_cancelled_request_costs_the_connection(scripted: Any) -> None:
    server: Scripted
    async with scripted(never) as server:
        client = Client(**server.client, version=V1_4)
        with trio.move_on_after(0.1) as scope:
            await client.locate()
        assert scope.cancelled_caught
        server.reply = good
        assert (await client.locate()).unique_identifiers == ("1",)
        await client.aclose()


# ---- credentials ------------------------------------------------------------------------------------------------
async def test_a_password_goes_with_each_request_and_into_no_repr(drive: Drive, scripted: Any) -> None:
    async with scripted(good) as server:
        app = drive(**server.client, version=V1_4, username="app", password="open sesame")
        await app("locate")
        await app("rng_retrieve", 1)
        for request in server.requests:
            [credential] = request.header.authentication.credentials
            assert credential.credential_value.username == "app"
            assert credential.credential_value.password == "open sesame"
            assert "open sesame" not in repr(request)
