"""Who may do what to which object: every operation, every place in which it names one, every way to name it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.domain.cmk import ID_PREFIX
from kmsd.domain.locate import LocateQuery
from kmsd.operations import HANDLERS
from kmsd.operations.declared import make_declared
from kmsd.server.dispatcher import OPEN_TO_ALL
from kmsd.storage.store import Store
from protocol.attributes import AttributeReference
from protocol.enums import Operation, ResultReason, ResultStatus, StorageStatusMask, UniqueIdentifier
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.locate import LocateRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.key_service_places import KEY_SERVICE, KEY_SERVICE_WITHOUT_KEY
from tests.operations.own_objects import Objects, objects
from tests.operations.places import NO_OBJECT, PLACES, Place
from tests.operations.requests import name
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
}
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
        await make_declared(server.services, server.settings)
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
    before = everything(server)
    find = located(f"theirs-{place.kind}")
    for how, reference in ways(place, theirs[place.kind]):
        items = (await finder.batch([find, place.request(reference, mine)])).batch_items
        if not place.text_only:
            assert items[0].payload.unique_identifiers == (theirs[place.kind],)  # type: ignore[attr-defined]
        assert items[1].result_reason == DENIED, how
    assert everything(server) == before


@EVERYWHERE
async def test_a_role_for_some_types_does_not_reach_others(server: Server, mine: dict[str, str], place: Place) -> None:
    before = everything(server)
    caller = server.caller(name="opaque", version=V2_1)
    assert await caller.refused(place.request(mine[place.kind], mine)) == DENIED
    assert everything(server) == before
