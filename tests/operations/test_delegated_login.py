"""Delegated Login: within the rights of the ticket, and never beyond those of the client that gave it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kmsd.config.tenants import ClientDirectory
from kmsd.domain.policy import Permission
from kmsd.server.identity import Peers
from protocol.administration import ObjectGroups, Objects, Operations, Right, Rights
from protocol.attributes import Attribute
from protocol.enums import Operation, ResultReason, ResultStatus, UniqueIdentifier, UsageLimitsUnit
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delegated_login import DelegatedLoginRequest
from protocol.operations.login import LoginRequest
from protocol.operations.logout import LogoutRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.query_asynchronous_requests import QueryAsynchronousRequestsRequest
from protocol.structures import Ticket, UsageLimits
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.later import put_off
from tests.operations.requests import attributes, create, get, name
from tests.operations.test_login import reason, with_ticket


def right(*operations: Operation, uids: Any = None, groups: Any = None) -> Right:
    return Right(
        operations=Operations(operations=operations) if operations else None,
        objects=Objects(unique_identifiers=uids) if uids is not None else None,
        object_groups=ObjectGroups(object_groups=groups) if groups is not None else None,
    )


async def delegate(app: Caller, *rights: Right, **more: Any) -> Ticket:
    ticket: Ticket = (await app.call(DelegatedLoginRequest(rights=Rights(rights=rights), **more))).ticket
    return ticket


@pytest.fixture
def reader(server: Server) -> Caller:
    """Another client of the tenant, that may not Get anything by itself."""
    return server.caller(name="reader", version=V2_1)


@pytest.fixture
def giver(app: Caller) -> Caller:
    return app.at(V2_1)


async def test_the_bearer_may_what_a_right_names(giver: Caller, reader: Caller) -> None:
    uid = (await giver.call(create())).unique_identifier
    assert await reader.refused(get(uid)) == ResultReason.PERMISSION_DENIED
    ticket = with_ticket(await delegate(giver, right(Operation.GET)))
    assert await reason(reader, get(uid), ticket) is None
    for other in (create(), attributes(uid)):
        assert await reason(reader, other, ticket) == ResultReason.PERMISSION_DENIED


async def test_a_right_may_be_for_some_objects_only(giver: Caller, reader: Caller) -> None:
    ours = (await giver.call(create())).unique_identifier
    grouped = (await giver.call(create(Attribute("Object Group", "shared")))).unique_identifier
    neither = (await giver.call(create())).unique_identifier
    rights = (right(Operation.GET, uids=(ours,)), right(Operation.GET, groups=("shared",)))
    ticket = with_ticket(await delegate(giver, *rights))
    expected = {ours: None, grouped: None, neither: ResultReason.PERMISSION_DENIED}
    assert {uid: await reason(reader, get(uid), ticket) for uid in expected} == expected


async def test_what_the_giver_may_not_do_it_does_not_give(server: Server, reader: Caller, giver: Caller) -> None:
    uid = (await giver.call(create())).unique_identifier
    roles = ("reader",)
    identity = server.peer("acme", "reader").known.identity
    assert identity.roles == roles
    ticket = server.services.tickets.issue(identity, int(server.now) + 60, None, (right(),), int(server.now))
    assert await reason(giver, get(uid), with_ticket(ticket)) == ResultReason.PERMISSION_DENIED
    assert await reason(giver, attributes(uid), with_ticket(ticket)) is None


async def test_another_tenant_makes_nothing_of_it(giver: Caller, server: Server) -> None:
    ticket = with_ticket(await delegate(giver, right()))
    assert await reason(server.caller("bank", version=V2_1), create(), ticket) == ResultReason.INVALID_TICKET


async def test_the_bearer_is_not_the_giver(giver: Caller, reader: Caller, server: Server) -> None:
    """It sees none of the giver's requests, gets no further ticket, and does not end the one it has."""
    await put_off(giver, create())
    given = await delegate(giver, right())
    ticket = with_ticket(given)
    listed = (await reader.batch([QueryAsynchronousRequestsRequest()], authentication=ticket)).batch_items[0].payload
    assert listed.asynchronous_requests == ()  # type: ignore[attr-defined]
    assert await reason(reader, LoginRequest(), ticket) == ResultReason.PERMISSION_DENIED
    again = DelegatedLoginRequest(rights=Rights(rights=(right(),)))
    assert await reason(reader, again, ticket) == ResultReason.PERMISSION_DENIED
    assert await reason(reader, LogoutRequest(ticket=given), ticket) == ResultReason.INVALID_TICKET
    made = (await reader.batch([create()], authentication=ticket)).batch_items[0].payload.unique_identifier  # type: ignore[attr-defined]
    key = server.store.get("acme", made)
    assert key is not None
    assert key.owner == "app by reader"


async def test_it_may_be_good_for_one_request(giver: Caller, reader: Caller) -> None:
    ticket = with_ticket(await delegate(giver, right(), request_count=1))
    assert await reason(reader, create(), ticket) is None
    assert await reason(reader, create(), ticket) == ResultReason.INVALID_TICKET


LIMITS = UsageLimits(usage_limits_total=1, usage_limits_count=1, usage_limits_unit=UsageLimitsUnit.OBJECT)


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ((), ResultReason.INVALID_FIELD),
        ((right(),) * 65, ResultReason.INVALID_FIELD),
        ((right(uids=(UniqueIdentifier.CREATE,)),), ResultReason.INVALID_FIELD),
        ((Right(usage_limits=LIMITS),), ResultReason.FEATURE_NOT_SUPPORTED),
    ],
)
async def test_rights_that_are_none(giver: Caller, rights: tuple[Right, ...], expected: ResultReason) -> None:
    assert await giver.refused(DelegatedLoginRequest(rights=Rights(rights=rights))) == expected


async def test_the_bearer_gives_the_names_that_the_issuer_may_give(giver: Caller, reader: Caller) -> None:
    ticket = with_ticket(await delegate(giver, right(Operation.CREATE, Operation.ADD_ATTRIBUTE)))
    [item] = (await reader.batch([create(name("named"))], authentication=ticket)).batch_items
    assert item.result_status == ResultStatus.SUCCESS
    uid = item.payload.unique_identifier  # type: ignore[attr-defined]
    for request, allowed in (
        (AddAttributeRequest(unique_identifier=uid, new_attribute=name("too")), True),
        (ModifyAttributeRequest(unique_identifier=uid, new_attribute=name("other")), False),
    ):
        assert await reason(reader, request, ticket) == (None if allowed else ResultReason.PERMISSION_DENIED)
    server = giver.server
    patterns = Permission(operations=None, names=("mine-*",))
    acme = server.services.tenants["acme"]
    roles = {**acme.policy.roles, "admin": (patterns,)}
    server.peers = server.dispatcher._peers = Peers(
        ClientDirectory({}), {"acme": replace(acme.policy, roles=roles)}, server.services.tickets
    )
    assert await reason(reader, create(name("mine-1")), ticket) is None
    assert await reason(reader, create(name("named too")), ticket) == ResultReason.PERMISSION_DENIED
