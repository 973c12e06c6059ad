"""A batch with Undo: what fails leaves everything as it was, and what could not be undone is not begun."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from pkcs11 import Attribute as TokenAttribute
from structlog.testing import capture_logs

from kmsd.crypto.holdings import read_key_id
from kmsd.crypto.hsm.objects import find
from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations import HANDLERS
from kmsd.operations.open_streams import PER_CLIENT
from kmsd.operations.undoing import IN_PARTS, UNDO, Undo
from protocol import vendor
from protocol.attributes import Attribute
from protocol.enums import BatchErrorContinuationOption as Option
from protocol.enums import (
    CancellationResult,
    CryptographicAlgorithm,
    Operation,
    PKCS11Function,
    PKCS11ReturnCode,
    ResultReason,
    ResultStatus,
    State,
)
from protocol.enums import CryptographicUsageMask as Mask
from protocol.operations.cancel import CancelRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.hash import HashRequest
from protocol.operations.log import LogRequest
from protocol.operations.login import LoginRequest
from protocol.operations.logout import LogoutRequest
from protocol.operations.mac import MACRequest
from protocol.operations.pkcs_11 import PKCS11Request
from protocol.operations.process import ProcessRequest
from protocol.operations.query_asynchronous_requests import QueryAsynchronousRequestsRequest
from protocol.operations.rotate_cmk import RotateCMKRequest
from protocol.versions import V1_4, V2_1, ProtocolVersion
from tests.crypto.hsm_fixtures import hsm_provider
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.later import poll, put_off
from tests.operations.outcomes import FAILED, SUCCESS, UNDONE, statuses
from tests.operations.own_objects import HMAC
from tests.operations.requests import activate, attributes, create, destroy, get, name, pair, register
from tests.operations.test_authorisation import mine, request_of, server

__all__ = ["mine", "server"]

CANNOT = [operation for operation, undo in UNDO.items() if undo is Undo.IMPOSSIBLE]
CAN = pytest.mark.parametrize("operation", [o for o in HANDLERS if o not in CANNOT], ids=lambda o: o.name)
WITHOUT_SUCCESS = {
    vendor.IMPORT_KEY_MATERIAL,  # needs material under a key made for it: tests/operations/test_key_material.py
    Operation.LOGOUT,
    Operation.POLL,
}
"""Operations whose request of the table is refused for want of what it names; they have tests of their own."""
USES = {
    *IN_PARTS,
    vendor.KMS_ENCRYPT,
    vendor.KMS_DECRYPT,
    vendor.RE_ENCRYPT,
    vendor.GENERATE_DATA_KEY,
    vendor.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT,
    vendor.GENERATE_AND_EXPORT_DATA_KEY,
    vendor.EXPORT_DATA_KEY,
}
"""They change what is stored only where a key has Usage Limits."""
FAILING = get("missing")


@pytest.fixture
def app(server: Server) -> Caller:
    return server.caller(name="admin", version=V2_1)


def stored(path: Path) -> dict[str, list[Any]]:
    """All rows of the store, but for the audit trail."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(map(repr, connection.execute(f'SELECT * FROM "{table}"')))
            for table in tables
            if not table.startswith("audit")
        }


def test_the_table_has_every_operation() -> None:
    assert set(UNDO) == set(HANDLERS)


@CAN
async def test_an_operation_that_is_undone_has_not_happened(
    app: Caller, server: Server, mine: dict[str, str], operation: Operation, tmp_path: Path
) -> None:
    before = stored(tmp_path / "kmsd.db")
    last = server.store.audit_after(0)[-1][0]
    response = await app.batch([request_of(operation, mine), FAILING], Option.UNDO)
    done = operation not in WITHOUT_SUCCESS
    assert statuses(response) == ([UNDONE, FAILED] if done else [FAILED])
    assert response.batch_items[0].operation == operation
    assert stored(tmp_path / "kmsd.db") == before
    # The audit trail tells what was tried, and that it has not happened.
    trail = [(record.operation, record.result) for _, record in server.store.audit_after(last)]
    expected = [(operation.name, "OPERATION_UNDONE"), ("GET", "OPERATION_FAILED")]
    assert trail == (expected if done else [(operation.name, "OPERATION_FAILED")])
    # The table is right about what there was to undo.
    await app.batch([request_of(operation, mine)])
    if operation not in WITHOUT_SUCCESS | USES:
        assert (stored(tmp_path / "kmsd.db") != before) == (Undo.STORED in UNDO[operation])


# --- what is refused before anything is done --------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1_4, V2_1], ids=str)
async def test_a_batch_with_what_cannot_be_undone_is_refused_as_a_whole(
    server: Server, version: ProtocolVersion, tmp_path: Path
) -> None:
    app = server.caller(name="admin", version=version)
    [value] = await put_off(app, create(name("later")))
    before, last = stored(tmp_path / "kmsd.db"), server.store.audit_after(0)[-1][0]
    cancel = CancelRequest(asynchronous_correlation_value=value)
    response = await app.batch([create(name("first")), cancel, create(name("last"))], Option.UNDO)
    assert statuses(response) == [FAILED] * 3
    assert {item.result_reason for item in response.batch_items} == {ResultReason.FEATURE_NOT_SUPPORTED}
    assert [item.unique_batch_item_id for item in response.batch_items] == [b"\0", b"\1", b"\2"]
    assert [item.operation for item in response.batch_items] == [Operation.CREATE, Operation.CANCEL, Operation.CREATE]
    assert "Cancel cannot be undone" in (response.batch_items[0].result_message or "")
    assert stored(tmp_path / "kmsd.db") == before
    trail = [(record.operation, record.result) for _, record in server.store.audit_after(last)]
    assert trail == [(operation, "OPERATION_FAILED") for operation in ("CREATE", "CANCEL", "CREATE")]
    # Neither was the request cancelled, and without Undo it is.
    assert (await app.call(cancel)).cancellation_result == CancellationResult.CANCELED


async def test_processing_a_request_at_once_cannot_be_undone(app: Caller) -> None:
    [value] = await put_off(app, create(name("later")))
    process = ProcessRequest(asynchronous_correlation_value=value)
    assert statuses(await app.batch([process, create()], Option.UNDO)) == [FAILED] * 2
    [waiting] = (await app.call(QueryAsynchronousRequestsRequest())).asynchronous_requests
    assert waiting.processing_stage.name == "SUBMITTED"
    assert statuses(await app.batch([process, create()], Option.STOP)) == [SUCCESS] * 2


def part(**fields: Any) -> HashRequest:
    return HashRequest(cryptographic_parameters=HMAC, **fields)


async def test_a_later_part_cannot_be_undone_and_a_first_one_can(app: Caller) -> None:
    for _ in range(PER_CLIENT):
        assert statuses(await app.batch([part(data=b"a", init_indicator=True), FAILING], Option.UNDO)) == [
            UNDONE,
            FAILED,
        ]
    # None of them was left open.
    streams = [(await app.call(part(data=b"a", init_indicator=True))).correlation_value for _ in range(PER_CLIENT)]
    later = part(data=b"b", correlation_value=streams[0])
    response = await app.batch([later, create()], Option.UNDO)
    assert statuses(response) == [FAILED] * 2
    assert "a later part of Hash cannot be undone" in (response.batch_items[1].result_message or "")
    last = part(data=b"b", correlation_value=streams[0], final_indicator=True)
    whole = await app.call(part(data=b"ab"))
    assert (await app.call(last)).data == whole.data


@pytest.mark.parametrize("operation", sorted(IN_PARTS), ids=lambda o: o.name)
async def test_every_operation_in_parts_is_known(app: Caller, mine: dict[str, str], operation: Operation) -> None:
    later = replace(request_of(operation, mine), correlation_value=bytes(16))
    response = await app.batch([later, create()], Option.UNDO)
    assert {item.result_reason for item in response.batch_items} == {ResultReason.FEATURE_NOT_SUPPORTED}


# --- what is outside the store ----------------------------------------------------------------------------------


async def test_a_message_is_in_the_log_once_the_batch_has_succeeded(app: Caller) -> None:
    with capture_logs() as logs:
        await app.batch([LogRequest(log_message="undone"), FAILING], Option.UNDO)
        await app.batch([LogRequest(log_message="done"), create()], Option.UNDO)
    assert [entry["message"] for entry in logs if entry["event"] == "message of a client"] == ["done"]


async def test_an_undone_login_gives_no_ticket_and_an_undone_logout_ends_none(app: Caller) -> None:
    for _ in range(3):
        assert statuses(await app.batch([LoginRequest(), FAILING], Option.UNDO)) == [UNDONE, FAILED]
    tickets = [(await app.call(LoginRequest())).ticket for _ in range(3)]
    assert await app.refused(LoginRequest()) == ResultReason.SERVER_LIMIT_EXCEEDED
    logout = LogoutRequest(ticket=tickets[0])
    assert statuses(await app.batch([logout, FAILING], Option.UNDO)) == [UNDONE, FAILED]
    assert statuses(await app.batch([logout, logout], Option.UNDO)) == [UNDONE, FAILED]
    assert statuses(await app.batch([logout, create()], Option.UNDO)) == [SUCCESS, SUCCESS]
    assert await app.refused(logout) == ResultReason.INVALID_TICKET


async def test_an_undone_poll_leaves_the_result_to_be_polled(app: Caller) -> None:
    [value] = await put_off(app, create(name("later")))
    response = await app.batch([poll(value), FAILING], Option.UNDO)
    assert statuses(response) == [UNDONE, FAILED]
    assert response.batch_items[0].payload is None
    assert (await app.call(QueryAsynchronousRequestsRequest())).asynchronous_requests
    assert (await app.call(poll(value))).unique_identifier
    assert not (await app.call(QueryAsynchronousRequestsRequest())).asynchronous_requests


async def test_an_application_begins_and_ends_with_its_batch_only(app: Caller) -> None:
    def call(function: PKCS11Function, value: bytes | None = None) -> PKCS11Request:
        return PKCS11Request(pkcs_11_function=function, correlation_value=value)

    initialize = call(PKCS11Function.C_INITIALIZE)
    [item, _] = (await app.batch([initialize, create()], Option.UNDO)).batch_items
    value = item.payload.correlation_value
    finalize = call(PKCS11Function.C_FINALIZE, value)
    assert statuses(await app.batch([finalize, FAILING], Option.UNDO)) == [UNDONE, FAILED]
    for _ in range(64):
        # Each would have put the client's oldest application out of the list.
        await app.batch([initialize, FAILING], Option.UNDO)
    get_info = call(PKCS11Function.C_GET_INFO, value)
    assert (await app.call(get_info)).pkcs_11_return_code == PKCS11ReturnCode.OK
    await app.batch([finalize, create()], Option.UNDO)
    assert (await app.call(get_info)).pkcs_11_return_code == PKCS11ReturnCode.CRYPTOKI_NOT_INITIALIZED


async def test_what_was_not_made_leaves_its_place_in_the_quota(server: Server) -> None:
    # Two there are already: the key and the certificate of the authority.
    server.change("acme", tenant_settings(quotas={"objects": 4}, key_service={"cmks": 1}))
    app = server.caller(version=V2_1)
    for _ in range(3):
        assert statuses(await app.batch([create(), create(), FAILING], Option.UNDO)) == [UNDONE, UNDONE, FAILED]
        assert statuses(await app.batch([CreateCMKRequest(), FAILING], Option.UNDO)) == [UNDONE, FAILED]
    # Nor does one that fails by itself keep it.
    assert await app.refused(create(algorithm=CryptographicAlgorithm.AES, length=7)) != SUCCESS
    assert statuses(await app.batch([CreateCMKRequest(), create()], Option.UNDO)) == [SUCCESS] * 2
    assert await app.refused(create()) == ResultReason.SERVER_LIMIT_EXCEEDED
    assert await app.refused(CreateCMKRequest()) == ResultReason.SERVER_LIMIT_EXCEEDED


# --- what is in a token -----------------------------------------------------------------------------------------

MAC = Mask.MAC_GENERATE | Mask.MAC_VERIFY


@pytest.fixture(params=["softhsm", "softhsm-resident"])
def token(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HsmProvider]:
    with hsm_provider(request.param, tmp_path_factory) as provider:
        yield provider


@pytest.fixture
async def in_hsm(server: Server, token: HsmProvider) -> Caller:
    """All its keys are in the token."""
    settings = tenant_settings(default_protection="HSM")
    server.settings["acme"] = settings
    tenant = server.services.tenants["acme"]
    providers = {**tenant.providers, ProtectionLevel.HSM: token}
    server.use({**server.services.tenants, "acme": replace(tenant, policy=settings.policy, providers=providers)})
    return server.caller(version=V2_1)


def in_token(token: HsmProvider) -> list[str]:
    """The objects of the tenant whose keys the token itself keeps."""
    wanted = {TokenAttribute.TOKEN: True, TokenAttribute.LABEL: "acme"}
    found = token._run(
        lambda lease: lease.create(lambda session: [key[TokenAttribute.ID] for key in find(session, wanted)])
    )
    return sorted(known.uid for key_id in found if (known := read_key_id(key_id)) is not None)


async def test_a_key_made_in_the_token_is_gone_with_its_batch(
    in_hsm: Caller, token: HsmProvider, tmp_path: Path
) -> None:
    cmk = (await in_hsm.call(CreateCMKRequest())).metadata.unique_identifier
    old = (await in_hsm.call(create())).unique_identifier
    before, kept = stored(tmp_path / "kmsd.db"), in_token(token)
    handles = len(token._handles)
    made = [
        create(Attribute("Activation Date", 1_700_000_000)),
        pair(),
        register(bytes(range(32))),
        CreateCMKRequest(),
        RotateCMKRequest(unique_identifier=cmk),
    ]
    response = await in_hsm.batch([*made, destroy(old), FAILING], Option.UNDO)
    assert statuses(response) == [UNDONE] * 6 + [FAILED]
    assert (stored(tmp_path / "kmsd.db"), in_token(token), len(token._handles)) == (before, kept, handles)
    # With an end that does not fail they are made, and the one is destroyed.
    resident = bool(kept)
    response = await in_hsm.batch([*made, destroy(old), get_nothing()], Option.UNDO)
    assert statuses(response) == [SUCCESS] * 7
    assert (old in kept, old in in_token(token)) == (resident, False)
    assert len(in_token(token)) == (len(kept) + 4 if resident else 0)


def get_nothing() -> QueryAsynchronousRequestsRequest:
    return QueryAsynchronousRequestsRequest()


async def test_a_key_is_made_used_and_destroyed_in_one_undone_batch(in_hsm: Caller, token: HsmProvider) -> None:
    kept, handles = in_token(token), len(token._handles)
    mac = MACRequest(cryptographic_parameters=HMAC, data=b"data")
    hmac = create(Attribute("Activation Date", 1_700_000_000), algorithm=CryptographicAlgorithm.HMAC_SHA256, usage=MAC)
    for end in (FAILING, get_nothing()):
        response = await in_hsm.batch([hmac, mac, end], Option.UNDO)
        assert (response.batch_items[-1].result_status == SUCCESS) == (end is not FAILING)
        assert response.batch_items[1].result_status in (UNDONE, SUCCESS)
        if end is FAILING:
            assert (in_token(token), len(token._handles)) == (kept, handles)
    assert len(token._handles) == handles + 1


async def test_a_destroyed_key_is_in_the_token_until_the_batch_is_stored(in_hsm: Caller, token: HsmProvider) -> None:
    uid = (await in_hsm.call(create())).unique_identifier
    kept = in_token(token)
    await in_hsm.batch([destroy(uid), activate(uid)], Option.UNDO)
    assert in_token(token) == kept
    await in_hsm.call(activate(uid))


@pytest.mark.parametrize("option", [Option.STOP, Option.UNDO], ids=lambda option: option.name)
async def test_a_destruction_that_was_overtaken_leaves_the_key_in_the_token(
    in_hsm: Caller, token: HsmProvider, option: Option
) -> None:
    uid = (await in_hsm.call(create())).unique_identifier
    kept = in_token(token)
    answers: dict[str, list[ResultStatus]] = {}

    async def send(which: str, request: Any) -> None:
        answers[which] = statuses(await in_hsm.batch([request, get_nothing()], option))

    async with trio.open_nursery() as nursery:
        for which, request in (("activate", activate(uid)), ("destroy", destroy(uid))):
            nursery.start_soon(send, which, request)
    winner = [which for which, answer in answers.items() if answer == [SUCCESS] * 2]
    assert len(winner) == 1
    gone = winner == ["destroy"]
    assert in_token(token) == ([] if gone else kept)
    state = (await in_hsm.call(attributes(uid))).attributes
    assert (State.DESTROYED if gone else State.ACTIVE) in [attribute.value for attribute in state]
