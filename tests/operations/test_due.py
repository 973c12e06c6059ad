"""What time alone changes is found by Locate, and audited when it is written down."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from protocol.attributes import Attribute
from protocol.enums import BatchErrorContinuationOption, ResultStatus, State
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.locate import LocateRequest
from protocol.versions import V1_0, V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import attributes, create, name, shown


def in_state(state: State, *more: Attribute) -> LocateRequest:
    return LocateRequest(attributes=(Attribute("State", state), *more))


@pytest.mark.parametrize("version", [V1_0, V2_1])
async def test_an_object_is_located_in_the_state_it_has_reached(app: Caller, server: Server, version: Any) -> None:
    app = app.at(version)
    dates = (Attribute("Activation Date", NOW + 10), Attribute("Deactivation Date", NOW + 20))
    uid = (await app.call(create(*dates))).unique_identifier
    other = (await app.call(create())).unique_identifier
    bank = server.caller("bank")
    await bank.call(create(*dates))
    for later, state in ((0, State.PRE_ACTIVE), (10, State.ACTIVE), (20, State.DEACTIVATED)):
        server.now = NOW + later
        for asked in (State.PRE_ACTIVE, State.ACTIVE, State.DEACTIVATED):
            found = set((await app.call(in_state(asked))).unique_identifiers)
            assert found - {other} == ({uid} if asked == state else set())
        assert shown(await app.call(attributes(uid)))["State"] == state
    records = [record for _, record in server.store.audit_after(0) if record.operation == "ADVANCE"]
    assert [(r.tenant, r.client, r.uid, r.detail) for r in records] == [
        ("acme", "server", uid, "ACTIVE"),
        ("acme", "server", uid, "DEACTIVATED"),
    ]


async def test_both_dates_may_have_passed(app: Caller, server: Server) -> None:
    dates = (Attribute("Activation Date", NOW + 10), Attribute("Deactivation Date", NOW + 20))
    uids = [(await app.call(create(*dates))).unique_identifier for _ in range(3)]
    server.now = NOW + 30
    assert not (await app.call(in_state(State.ACTIVE))).unique_identifiers
    assert (await app.call(in_state(State.DEACTIVATED))).unique_identifiers == tuple(reversed(uids))


async def test_a_batch_with_undo_is_not_overtaken_by_its_own_locate(app: Caller, server: Server) -> None:
    uid = (await app.call(create(Attribute("Activation Date", NOW + 10)))).unique_identifier
    server.now = NOW + 10
    response = await app.batch(
        [AddAttributeRequest(unique_identifier=uid, new_attribute=name("new")), in_state(State.ACTIVE)],
        BatchErrorContinuationOption.UNDO,
    )
    assert [item.result_status for item in response.batch_items] == [ResultStatus.SUCCESS] * 2
    assert response.batch_items[1].payload.unique_identifiers == (uid,)
    assert (await app.call(in_state(State.ACTIVE, name("new")))).unique_identifiers == (uid,)


async def test_two_at_once_find_the_same(app: Caller, server: Server) -> None:
    uids = [(await app.call(create(Attribute("Activation Date", NOW + 10)))).unique_identifier for _ in range(3)]
    server.now = NOW + 10
    found: list[set[str]] = []

    async def locate() -> None:
        found.append(set((await app.call(in_state(State.ACTIVE))).unique_identifiers))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(locate)
    assert found == [set(uids)] * 5
