"""KeyState and DeleteDate: what the versions of a CMK say of it, in both forms of attributes; nobody sets them."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, AttributeReference
from protocol.enums import ObjectType, ResultReason
from protocol.names import Tag
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.get_attribute_list import GetAttributeListRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_0, V1_4, V2_0, V2_1, ProtocolVersion
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.keys import DAY, described, make
from tests.operations.requests import create

VERSIONS = [V1_0, V1_4, V2_0, V2_1]


def named(version: ProtocolVersion, name: str, value: Any = None) -> Attribute:
    type_ = ItemType.DATE_TIME if isinstance(value, int) else ItemType.TEXT_STRING
    item = Item(Tag.ATTRIBUTE_VALUE, type_, value)
    return Attribute(name, item, vendor="kmsd") if version >= V2_0 else Attribute(f"y-kmsd-{name}", item)


def reference(version: ProtocolVersion, name: str) -> AttributeReference:
    attribute = named(version, name)
    return AttributeReference(attribute.name, attribute.vendor)


async def read(app: Caller, uid: str) -> dict[str, Any]:
    """What Get Attributes says, asked by name; all of them say the same."""
    references = tuple(reference(app.version, name) for name in ("KeyState", "DeleteDate"))
    asked = (await app.call(GetAttributesRequest(unique_identifier=uid, attribute_references=references))).attributes
    everything = (await app.call(GetAttributesRequest(unique_identifier=uid))).attributes
    listed = (await app.call(GetAttributeListRequest(unique_identifier=uid))).attribute_references
    keys = {each.key for each in references}
    assert [each for each in everything if each.key in keys] == list(asked)
    assert [each.key for each in listed if each.key in keys] == [each.key for each in asked]
    return {each.name.removeprefix("y-kmsd-"): each.value.value for each in asked}


async def located(app: Caller, **conditions: Any) -> set[str]:
    attributes = [
        named(app.version, name, value)
        for name, values in conditions.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    return set((await app.call(LocateRequest(attributes=tuple(attributes)))).unique_identifiers)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_versions_of_a_cmk_say_its_state(app: Caller, server: Server, version: ProtocolVersion) -> None:
    app = app.at(version)
    uid = (await make(app)).unique_identifier
    primary = (await described(app, uid)).primary_version
    assert primary is not None
    for identifier in (uid, primary):
        assert await read(app, identifier) == {"KeyState": "Enabled"}
    await app.call(DisableCMKRequest(unique_identifier=uid))
    assert await read(app, primary) == {"KeyState": "Disabled"}
    await app.call(ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=7))
    assert await read(app, primary) == {"KeyState": "PendingDeletion", "DeleteDate": NOW + 7 * DAY}
    server.now += 7 * DAY
    # It is gone from that second on, whether or not it has been cleared away.
    assert await read(app, primary) == {}
    assert await read(app, (await app.call(create())).unique_identifier) == {}


@pytest.mark.parametrize("version", VERSIONS)
async def test_versions_are_found_by_the_state_of_their_cmk(app: Caller, version: ProtocolVersion) -> None:
    app = app.at(version)
    made = [await make(app, key_spec=spec) for spec in ("AES_256", "AES_256", "RSA_2048")]
    on, off, pair = [{str(each.primary_version)} for each in made]
    await app.call(create())
    await app.call(DisableCMKRequest(unique_identifier=made[1].unique_identifier))
    days = 30
    await app.call(ScheduleDeletionRequest(unique_identifier=made[2].unique_identifier, pending_window_days=days))
    assert await located(app, KeyState="Enabled") == on
    assert await located(app, KeyState="Disabled") == off
    pending = await located(app, KeyState="PendingDeletion")
    assert pending > pair
    assert len(pending) == 2  # both halves
    assert await located(app, KeyState="PendingImport") == set()
    date = NOW + days * DAY
    assert await located(app, DeleteDate=date) == pending
    assert await located(app, DeleteDate=[NOW, date - 1]) == set()
    assert await located(app, DeleteDate=[date - 1, date + 1]) == pending
    private = Attribute("Object Type", ObjectType.PRIVATE_KEY)
    both = (named(version, "KeyState", "PendingDeletion"), private)
    response = await app.call(LocateRequest(attributes=both, maximum_items=1))
    assert set(response.unique_identifiers) == pair


async def test_who_may_not_locate_the_key_does_not_find_it_by_its_state(app: Caller, server: Server) -> None:
    await make(app)
    assert await located(server.caller("bank", version=V2_1), KeyState="Enabled") == set()


@pytest.mark.parametrize("version", [V1_4, V2_1])
async def test_nobody_sets_them(app: Caller, version: ProtocolVersion) -> None:
    app = app.at(version)
    attribute = named(version, "KeyState", "Enabled")
    uid = (await app.call(create())).unique_identifier
    cmk = (await make(app)).primary_version
    reasons = {await app.refused(create(attribute))}
    for each in (uid, cmk):
        reasons.add(await app.refused(AddAttributeRequest(unique_identifier=each, new_attribute=attribute)))
        if version == V2_1:
            reasons.add(await app.refused(SetAttributeRequest(unique_identifier=each, new_attribute=attribute)))
            gone = DeleteAttributeRequest(unique_identifier=each, attribute_reference=reference(version, "KeyState"))
            reasons.add(await app.refused(gone))
    assert reasons <= {
        ResultReason.PERMISSION_DENIED,
        ResultReason.ATTRIBUTE_READ_ONLY,
        ResultReason.READ_ONLY_ATTRIBUTE,
    }
