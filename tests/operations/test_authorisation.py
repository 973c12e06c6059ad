"""Who may do what to which object: every operation, every place in which it names one, every way to name it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.domain.cmk import ID_PREFIX
from kmsd.domain.locate import LocateQuery
from kmsd.operations import HANDLERS
from kmsd.operations.declarations import apply_declared
from kmsd.server.admission import OPEN_TO_ALL
from kmsd.storage.store import Store
from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import (
    BatchErrorContinuationOption,
    CryptographicAlgorithm,
    KeyWrapType,
    LinkType,
    ObjectType,
    OpaqueDataType,
    Operation,
    RecommendedCurve,
    ResultReason,
    ResultStatus,
    StorageStatusMask,
    UniqueIdentifier,
)
from protocol.objects import OpaqueObject
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.cancel import CancelRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.get_public_key import GetPublicKeyRequest
from protocol.operations.import_ import ImportRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.login import LoginRequest
from protocol.operations.logout import LogoutRequest
from protocol.operations.mac import MACRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.poll import PollRequest
from protocol.operations.process import ProcessRequest
from protocol.operations.re_key_key_pair import ReKeyKeyPairRequest
from protocol.structures import Link
from protocol.vendor import CREATE_ALIAS
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.key_service_places import KEY_SERVICE, KEY_SERVICE_WITHOUT_KEY
from tests.operations.later import put_off
from tests.operations.own_objects import MATERIAL, P_256, Objects, objects
from tests.operations.places import NO_OBJECT, PLACES, Place
from tests.operations.requests import create, name, pair, register
from tests.operations.test_certify import AUTHORITY

EVERYTHING = {"operations": "*"}
MINE = {"operations": "*", "names": ("mine-*", "alias/mine-*")}
ROLES = {
    "admin": (EVERYTHING,),
    "logs": ({"operations": ("Log",)},),
    "pings": ({"operations": ("Ping",)},),
    # Finds everything, and may use what is its own; what Create Split Key makes has no name.
    "finder": (
        MINE,
        {"operations": ("Locate",)},
        {"operations": ("CreateSplitKey",), "object_types": ("SplitKey",)},
    ),
    "opaque": ({"operations": "*", "object_types": ("OpaqueObject",)},),
    # Finds everything, and may use what it has made itself.
    "owner": ({"operations": "*", "own": True}, {"operations": ("Locate",)}),
    "locator": ({"operations": ("Locate",)},),
}
Stop, Continue, Undo = (
    BatchErrorContinuationOption.STOP,
    BatchErrorContinuationOption.CONTINUE,
    BatchErrorContinuationOption.UNDO,
)
DENIED, MISSING = ResultReason.PERMISSION_DENIED, ResultReason.OBJECT_NOT_FOUND
OPERATIONS = pytest.mark.parametrize("operation", HANDLERS, ids=lambda operation: operation.name)
EVERY_PLACE = PLACES + KEY_SERVICE
WITHOUT_OBJECT = {**NO_OBJECT, **KEY_SERVICE_WITHOUT_KEY}
EVERYWHERE = pytest.mark.parametrize("place", EVERY_PLACE, ids=str)


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Server]:
    """Two tenants with authorities, and a client of each role."""
    settings = tenant_settings(
        **AUTHORITY,
        interop=True,
        roles=ROLES,
        clients={role: {"certificate": {"common_name": role}, "roles": (role,)} for role in ROLES},
    )
    with Store.open(tmp_path / "kmsd.db") as store:
        await nursery.start(store.run)
        server = Server(store, {"acme": settings, "bank": settings})
        await apply_declared(server.services, server.settings)
        await nursery.start(server.services.requests.run)
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
async def mine(server: Server) -> dict[str, str]:
    return await objects(server.caller(name="admin", version=V2_1), "mine")


@pytest.fixture
async def theirs(server: Server) -> dict[str, str]:
    return await objects(server.caller(name="admin", version=V2_1), "theirs")


@pytest.fixture
def finder(server: Server) -> Caller:
    return server.caller(name="finder", version=V2_1)


def everything(server: Server) -> Mapping[tuple[str, str], Any]:
    """All objects of all tenants as they are stored."""
    found: dict[tuple[str, str], Any] = {}
    for tenant in server.settings:
        for records in (False, True):
            for uid in server.store.locate(LocateQuery(tenant, records=records)):
                found[tenant, uid] = server.store.get(tenant, uid)
    return found


def located(text: str) -> LocateRequest:
    everywhere = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE
    return LocateRequest(attributes=(name(text),), storage_status_mask=everywhere)


def nothing_like(uid: str) -> str:
    """An identifier, or an alias, of the same form, that names nothing."""
    if uid.startswith("alias/"):
        return "alias/nothing"
    prefix = ID_PREFIX if uid.startswith(ID_PREFIX) else ""
    return prefix + re.sub("[0-9a-f]", "0", uid.removeprefix(prefix))


def request_of(operation: Operation, own: Objects) -> Any:
    """A request that names the client's own objects, if any."""
    if operation in WITHOUT_OBJECT:
        return WITHOUT_OBJECT[operation]
    place = next(place for place in EVERY_PLACE if place.operation == operation)
    return place.request(own[place.kind], own)


def ways(place: Place, uid: str) -> list[tuple[str, Any]]:
    """How a request may name an object that the item before it has found."""
    if place.text_only:
        return [("identifier", uid)]
    named = [("identifier", uid), ("reference", UniqueIdentifier.LOCATE), ("number", 0)]
    if place.placeholder:
        named.append(("placeholder", UniqueIdentifier.ID_PLACEHOLDER))
    if place.placeholder and place.optional:
        named.append(("nothing", None))
    return named


def test_every_operation_is_tried() -> None:
    assert {place.operation for place in EVERY_PLACE} | set(WITHOUT_OBJECT) == set(HANDLERS)


@OPERATIONS
async def test_a_client_without_the_right_is_refused(
    server: Server, mine: dict[str, str], operation: Operation
) -> None:
    before = everything(server)
    caller = server.caller(name="pings" if operation == Operation.LOG else "logs", version=V2_1)
    [item] = (await caller.batch([request_of(operation, mine)])).batch_items
    assert (item.result_reason == DENIED) == (operation not in OPEN_TO_ALL)
    assert everything(server) == before


@EVERYWHERE
async def test_a_client_may_use_what_is_its_own(finder: Caller, mine: dict[str, str], place: Place) -> None:
    [item] = (await finder.batch([place.request(mine[place.kind], mine)])).batch_items
    assert (item.result_status == ResultStatus.SUCCESS) == place.whole
    assert item.result_reason != DENIED


@EVERYWHERE
async def test_another_tenant_s_object_is_as_one_that_is_not_there(
    server: Server, theirs: dict[str, str], place: Place
) -> None:
    stranger = server.caller("bank", "admin", V2_1)
    own = await objects(stranger, "mine")
    before = everything(server)
    answers = []
    for uid in (nothing_like(theirs[place.kind]), theirs[place.kind]):
        [item] = (await stranger.batch([place.request(uid, own)])).batch_items
        answers.append(repr(item).replace(uid, ""))
        if place.makes:
            await stranger.call(
                DeleteAttributeRequest(unique_identifier=uid, attribute_reference=AttributeReference("Name"))
            )
    assert answers[0] == answers[1]
    if place.makes:
        assert item.result_status == ResultStatus.SUCCESS
        assert everything(server).items() >= before.items()
        return
    assert item.result_reason in (MISSING, ResultReason.WRAPPING_OBJECT_NOT_FOUND)
    assert everything(server) == before
    # Nor is it found, and so named by what follows.
    find = located(f"theirs-{place.kind}")
    for _, reference in ways(place, uid)[1:]:
        items = (await stranger.batch([find, place.request(reference, own)])).batch_items
        assert items[0].payload.unique_identifiers == ()  # type: ignore[attr-defined]
        assert items[1].result_reason in (MISSING, ResultReason.INVALID_FIELD)
    assert everything(server) == before


@EVERYWHERE
async def test_a_role_for_some_names_does_not_reach_others(
    server: Server, finder: Caller, mine: dict[str, str], theirs: dict[str, str], place: Place
) -> None:
    """Nor does one that only finds them, in whatever company the operation comes."""
    before = everything(server)
    find = located(f"theirs-{place.kind}")
    locator = server.caller(name="locator", version=V2_1)
    for how, reference in ways(place, theirs[place.kind]):
        for caller, option in ((finder, Stop), (locator, Stop), (locator, Continue), (locator, Undo)):
            items = (await caller.batch([find, place.request(reference, mine), find], option)).batch_items
            if not place.text_only and option != Undo:
                assert items[0].payload.unique_identifiers == (theirs[place.kind],)  # type: ignore[attr-defined]
            assert items[1].result_reason == DENIED, how
    assert everything(server) == before


@EVERYWHERE
async def test_a_role_for_one_s_own_does_not_reach_others(server: Server, theirs: dict[str, str], place: Place) -> None:
    owner = server.caller(name="owner", version=V2_1)
    own = await objects(owner, "mine")
    before = everything(server)
    find = located(f"theirs-{place.kind}")
    for how, reference in ways(place, theirs[place.kind]):
        items = (await owner.batch([find, place.request(reference, own)])).batch_items
        assert items[1].result_reason == DENIED, how
    assert everything(server) == before
    [item] = (await owner.batch([place.request(own[place.kind], own)])).batch_items
    assert (item.result_status == ResultStatus.SUCCESS) == place.whole


async def test_an_object_is_not_replaced_by_one_of_another_type(server: Server, mine: dict[str, str]) -> None:
    """Who may import opaque objects may not put one in the place of a key."""
    before = everything(server)
    opaque = OpaqueObject(opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=b"nothing")
    caller = server.caller(name="opaque", version=V2_1)
    for uid in (mine["key"], mine["certificate"], mine["archived"]):
        request = ImportRequest(
            unique_identifier=uid,
            object_type=ObjectType.OPAQUE_OBJECT,
            replace_existing=True,
            key_wrap_type=KeyWrapType.NOT_WRAPPED,
            managed_object=opaque,
        )
        assert await caller.refused(request) == DENIED
    assert everything(server) == before
    assert await caller.call(replace(request, unique_identifier="new"))


@EVERYWHERE
async def test_a_role_for_some_types_does_not_reach_others(server: Server, mine: dict[str, str], place: Place) -> None:
    before = everything(server)
    caller = server.caller(name="opaque", version=V2_1)
    assert await caller.refused(place.request(mine[place.kind], mine)) == DENIED
    assert everything(server) == before


# What a client makes is named by it: a role for some names gives no others.
UNDER_ANOTHER_NAME = (
    Operation.RE_KEY,
    Operation.DERIVE_KEY,
    Operation.CERTIFY,
    Operation.RE_CERTIFY,
    Operation.JOIN_SPLIT_KEY,
    Operation.REGISTER,
    Operation.IMPORT,
    CREATE_ALIAS,
)
MAKING = [place for place in EVERY_PLACE if place.operation in UNDER_ANOTHER_NAME and place.kind != "secret"]


@pytest.mark.parametrize("place", MAKING, ids=str)
async def test_nothing_is_made_under_a_name_of_others(
    server: Server, finder: Caller, mine: dict[str, str], place: Place
) -> None:
    before = everything(server)
    request = place.request(mine[place.kind], {**mine, "prefix": "theirs"})
    if place.operation == Operation.RE_KEY:
        request.attributes = Template(attributes=(name("theirs-new"),))
    assert await finder.refused(request) == DENIED
    assert everything(server) == before


@pytest.mark.parametrize("called", ["theirs-new", None])
async def test_new_objects_have_names_of_the_client_s(server: Server, finder: Caller, called: str | None) -> None:
    before = everything(server)
    named = (name(called),) if called is not None else ()
    pairs = pair(CryptographicAlgorithm.ECDSA, None, RecommendedCurve.P_256)
    assert pairs.common_attributes is not None
    pairs.common_attributes.attributes += named
    for request in (create(*named), register(MATERIAL, *named), pairs):
        assert await finder.refused(request) == DENIED
    assert everything(server) == before


async def test_names_are_not_passed_on_to_others(finder: Caller, mine: dict[str, str], theirs: dict[str, str]) -> None:
    theirs_too = AddAttributeRequest(unique_identifier=mine["key"], new_attribute=name("theirs-too"))
    renamed = ModifyAttributeRequest(unique_identifier=mine["key"], new_attribute=name("theirs-too"))
    for request in (theirs_too, renamed):
        assert await finder.refused(request) == DENIED


async def linked(app: Caller, uid: str) -> str:
    """A private key of one's own that says that this is its public key."""
    private = (await app.call(P_256)).private_key_unique_identifier
    await app.call(AddAttributeRequest(unique_identifier=private, new_attribute=name("mine-linked")))
    link = Link(link_type=LinkType.PUBLIC_KEY_LINK, linked_object_identifier=uid)
    await app.call(DeleteAttributeRequest(unique_identifier=private, attribute_reference=AttributeReference("Link")))
    await app.call(AddAttributeRequest(unique_identifier=private, new_attribute=Attribute("Link", link)))
    return str(private)


async def test_a_link_gives_no_right_to_what_it_names(server: Server, finder: Caller, theirs: dict[str, str]) -> None:
    private = await linked(server.caller(name="admin", version=V2_1), theirs["public"])
    stranger = server.caller("bank", "admin", V2_1)
    strangers = await linked(stranger, theirs["public"])
    before = everything(server)
    for caller, uid, reason in ((finder, private, DENIED), (stranger, strangers, MISSING)):
        assert await caller.refused(ReKeyKeyPairRequest(private_key_unique_identifier=uid)) == reason
        assert await caller.refused(GetPublicKeyRequest(unique_identifier=uid)) == reason
    assert everything(server) == before


async def answer(caller: Caller, request: Any, value: bytes) -> str:
    """What a request is answered, without the value that it is about."""
    [item] = (await caller.batch([request])).batch_items
    return repr(item).replace(repr(value), "")


async def test_another_s_request_ticket_and_stream_are_as_none(server: Server) -> None:
    app = server.caller(name="admin", version=V2_1)
    own = await objects(app, "mine")
    [later] = await put_off(app, create(name("mine-later")))
    ticket = (await app.call(LoginRequest())).ticket
    part = MACRequest(unique_identifier=own["hmac"], data=b"one", init_indicator=True)
    stream = (await app.call(part)).correlation_value

    def part_of(value: bytes) -> MACRequest:
        return MACRequest(data=b"two", correlation_value=value, final_indicator=True)

    for request, value in (
        (lambda value: PollRequest(asynchronous_correlation_value=value), later),
        (lambda value: CancelRequest(asynchronous_correlation_value=value), later),
        (lambda value: ProcessRequest(asynchronous_correlation_value=value), later),
        (lambda value: LogoutRequest(ticket=replace(ticket, ticket_value=value)), ticket.ticket_value),
        (part_of, stream),
    ):
        for other in (server.caller("bank", "admin", V2_1), server.caller("acme", "finder", V2_1)):
            nothing = bytes(len(value))
            assert await answer(other, request(value), value) == await answer(other, request(nothing), nothing)
    assert (await app.call(part_of(stream))).mac_data
    assert await app.call(LogoutRequest(ticket=ticket)) is not None
    assert (await app.call(PollRequest(asynchronous_correlation_value=later))).unique_identifier
