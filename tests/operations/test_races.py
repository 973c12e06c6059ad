"""Two requests at once: of those that exclude each other one wins, of those that add up none is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from protocol.attributes import Attribute, Template
from protocol.enums import (
    AdjustmentType,
    BatchErrorContinuationOption,
    ResultReason,
    ResultStatus,
    RevocationReasonCode,
    UsageLimitsUnit,
)
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.adjust_attribute import AdjustAttributeRequest
from protocol.operations.archive import ArchiveRequest
from protocol.operations.cancel_deletion import CancelDeletionRequest
from protocol.operations.certify import CertifyRequest
from protocol.operations.create_alias import CreateAliasRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.delete_alias import DeleteAliasRequest
from protocol.operations.encrypt import EncryptRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.get_usage_allocation import GetUsageAllocationRequest
from protocol.operations.import_ import ImportRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.login import LoginRequest
from protocol.operations.logout import LogoutRequest
from protocol.operations.mac import MACRequest
from protocol.operations.re_certify import ReCertifyRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest
from protocol.operations.recover import RecoverRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.structures import UsageLimits
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Refused, Server
from tests.operations.own_objects import ACTIVE, HMAC, MATERIAL, P_256, objects
from tests.operations.requests import activate, create, destroy, name, register, revoke, shown
from tests.operations.test_adjust_attribute import NUMBER, by
from tests.operations.test_authorisation import server
from tests.operations.test_derive_key import derive
from tests.operations.test_join_split_key import join

__all__ = ["server"]

LAST_USE = Attribute("Usage Limits", UsageLimits(usage_limits_total=1, usage_limits_unit=UsageLimitsUnit.OBJECT))


async def at_once(app: Caller, *requests: Any) -> list[ResultReason | None]:
    """What each is answered: None where it succeeded."""
    answers: list[ResultReason | None] = [None] * len(requests)
    together = trio.Event()

    async def send(number: int, request: Any) -> None:
        await together.wait()
        try:
            await app.call(request)
        except Refused as refused:
            answers[number] = refused.reason

    async with trio.open_nursery() as nursery:
        for number, request in enumerate(requests):
            nursery.start_soon(send, number, request)
        together.set()
    return answers


@pytest.fixture
def app(server: Server) -> Caller:
    return server.caller(name="admin", version=V2_1)


def _import(own: dict[str, str]) -> ImportRequest:
    wire = register(MATERIAL).managed_object
    return ImportRequest(unique_identifier="imported", object_type=register(MATERIAL).object_type, managed_object=wire)


EXCLUSIVE: dict[str, Callable[[dict[str, str]], Any]] = {
    "Activate": lambda own: activate(own["fresh"]),
    "Revoke": lambda own: revoke(own["key"]),
    "Revoke: compromise": lambda own: revoke(own["key"], RevocationReasonCode.KEY_COMPROMISE),
    "Destroy": lambda own: destroy(own["fresh"]),
    "Archive": lambda own: ArchiveRequest(unique_identifier=own["key"]),
    "Re-key": lambda own: ReKeyRequest(unique_identifier=own["key"]),
    "Re-key Key Pair": lambda own: ReKeyKeyPairRequest(private_key_unique_identifier=own["private"]),
    "Re-certify": lambda own: ReCertifyRequest(unique_identifier=own["certificate"]),
    "Create": lambda own: create(name("one of its name")),
    "Register": lambda own: register(MATERIAL, name("one of its name")),
    "Import": _import,
    "Add Attribute": lambda own: AddAttributeRequest(
        unique_identifier=own["fresh"], new_attribute=Attribute("Contact Information", "one")
    ),
    "Get Usage Allocation": lambda own: GetUsageAllocationRequest(unique_identifier=own["last"], usage_limits_count=1),
    "Encrypt": lambda own: EncryptRequest(unique_identifier=own["last"], data=b"data"),
    "Derive Key": lambda own: derive(
        own["key"], cryptographic_parameters=HMAC, derivation_data=(b"data",), more=(name("one of its name"),)
    ),
    "Certify": lambda own: CertifyRequest(
        unique_identifier=own["request"], attributes=Template(attributes=(name("one of its name"),))
    ),
    "Join Split Key": lambda own: join((own["part"], own["part 2"]), name("one of its name")),
    "Create CMK": lambda own: CreateCMKRequest(alias_names=("alias/one",)),
    "Create Alias": lambda own: CreateAliasRequest(unique_identifier=own["cmk"], alias_name="alias/one"),
    "Delete Alias": lambda own: DeleteAliasRequest(alias_name=own["alias"]),
    "Schedule Deletion": lambda own: ScheduleDeletionRequest(unique_identifier=own["cmk"], pending_window_days=7),
    "Cancel Deletion": lambda own: CancelDeletionRequest(unique_identifier=own["going"]),
}


@pytest.mark.parametrize("case", EXCLUSIVE)
async def test_one_of_them_wins(app: Caller, case: str) -> None:
    own = await objects(app, "mine")
    own["last"] = (await app.call(create(ACTIVE, LAST_USE))).unique_identifier
    request = EXCLUSIVE[case](own)
    answers = await at_once(app, request, request, request)
    assert answers.count(None) == 1
    assert len(set(answers)) == 2, answers


@pytest.mark.parametrize("case", EXCLUSIVE)
async def test_one_of_them_wins_with_all_of_its_batch(app: Caller, case: str) -> None:
    """With Undo: of the others nothing is left, whichever item it was that lost."""
    own = await objects(app, "mine")
    own["last"] = (await app.call(create(ACTIVE, LAST_USE))).unique_identifier
    request = EXCLUSIVE[case](own)
    answers: list[list[ResultStatus]] = []
    together = trio.Event()

    async def send(number: int) -> None:
        await together.wait()
        beside = create(name(f"beside {number}"))
        response = await app.batch([beside, request], BatchErrorContinuationOption.UNDO)
        answers.append([item.result_status for item in response.batch_items])

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(send, number)
        together.set()
    won = [ResultStatus.SUCCESS] * 2
    lost = [ResultStatus.OPERATION_UNDONE, ResultStatus.OPERATION_FAILED]
    assert sorted(answers) == sorted([won, lost, lost])
    left = [
        bool((await app.call(LocateRequest(attributes=(name(f"beside {n}"),)))).unique_identifiers) for n in range(3)
    ]
    assert left.count(True) == 1


@pytest.mark.parametrize("case", ["Activate", "Revoke", "Destroy", "Archive", "Re-key"])
async def test_one_of_them_wins_that_name_it_by_what_they_have_found(app: Caller, case: str) -> None:
    own = await objects(app, "mine")
    request = EXCLUSIVE[case](own)
    find = LocateRequest(attributes=(Attribute("Unique Identifier", request.unique_identifier),))
    request.unique_identifier = None
    answers: list[ResultStatus] = []
    together = trio.Event()

    async def send() -> None:
        await together.wait()
        answers.append((await app.batch([find, request])).batch_items[1].result_status)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(send)
        together.set()
    assert answers.count(ResultStatus.SUCCESS) == 1


async def test_a_stream_is_finished_once_and_a_ticket_ends_once(app: Caller) -> None:
    own = await objects(app, "mine")
    first = MACRequest(unique_identifier=own["hmac"], data=b"one", init_indicator=True)
    value = (await app.call(first)).correlation_value
    last = MACRequest(data=b"two", correlation_value=value, final_indicator=True)
    logout = LogoutRequest(ticket=(await app.call(LoginRequest())).ticket)
    for request in (last, logout):
        assert (await at_once(app, request, request, request)).count(None) == 1


async def test_what_adds_up_is_all_counted(app: Caller) -> None:
    own = await objects(app, "mine")
    more = AdjustAttributeRequest(
        unique_identifier=own["key"],
        attribute_reference=NUMBER,
        adjustment_type=AdjustmentType.INCREMENT,
        adjustment_value=by(1),
    )
    assert await at_once(app, more, more, more) == [None] * 3
    answer = await app.call(GetAttributesRequest(unique_identifier=own["key"], attribute_references=(NUMBER,)))
    assert [item.value for item in shown(answer).values()] == [4]


@pytest.mark.parametrize("first", ["revoke", "destroy"])
async def test_different_orders_exclude_each_other_too(app: Caller, first: str) -> None:
    """An object is not activated and destroyed, or archived and revoked, in one moment."""
    own = await objects(app, "mine")
    requests = {
        "destroy": (destroy(own["fresh"]), activate(own["fresh"])),
        "revoke": (revoke(own["key"]), ArchiveRequest(unique_identifier=own["key"])),
    }[first]
    answers = await at_once(app, *requests, *requests)
    assert 1 <= answers.count(None) <= 2
    assert answers[0] is not None or answers[2] is not None


async def test_a_pair_is_made_once_for_each_request(app: Caller) -> None:
    assert await at_once(app, P_256, P_256) == [None, None]
    own = await objects(app, "mine")
    recover = RecoverRequest(unique_identifier=own["archived"])
    assert None in await at_once(app, recover, recover)
