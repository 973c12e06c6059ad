"""A client whose rights hold for some names plants none elsewhere, and takes none away: others look keys up by name."""

from __future__ import annotations

import pytest

from protocol.attributes import Attribute, AttributeReference
from protocol.enums import ResultReason
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.versions import V1_4, V2_1
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.requests import attributes, create, name, register, shown

ROLES = {
    "all": ({"operations": "*"},),
    "some": (
        {"operations": "*", "names": ("app-*",)},
        # Rights of another kind on other names are no right to give those names.
        {"operations": ("Get",), "names": ("prod-*",)},
        {"operations": "*", "object_types": ("Certificate",)},
    ),
}


@pytest.fixture
def callers(server: Server) -> tuple[Caller, Caller]:
    """Who may everything, and who may something."""
    clients = {key: {"certificate": {"common_name": key}, "roles": (key,)} for key in ROLES}
    limited = Server(server.store, {"patterns": tenant_settings(roles=ROLES, clients=clients)})
    return limited.caller("patterns", "all"), limited.caller("patterns", "some")


async def test_every_name_of_a_new_object_must_be_allowed(callers: tuple[Caller, Caller]) -> None:
    _, some = callers
    for request in (create(name("app-1"), name("prod-1")), register(bytes(16), name("app-1"), name("prod-1"))):
        assert await some.refused(request) == ResultReason.PERMISSION_DENIED
    assert await some.call(create(name("app-1"), name("app-2")))


@pytest.mark.parametrize("version", [V1_4, V2_1])
async def test_no_name_is_given_or_taken_that_is_not_allowed(callers: tuple[Caller, Caller], version: object) -> None:
    everything, some = (caller.at(version) for caller in callers)  # type: ignore[arg-type]
    uid = (await everything.call(create(name("app-1"), name("prod-1")))).unique_identifier
    changes = (
        AddAttributeRequest(unique_identifier=uid, new_attribute=name("prod-2")),
        ModifyAttributeRequest(
            unique_identifier=uid,
            new_attribute=Attribute("Name", name("prod-2").value, 0 if version == V1_4 else None),
            current_attribute=name("app-1") if version != V1_4 else None,
        ),
        DeleteAttributeRequest(
            unique_identifier=uid,
            attribute_reference=AttributeReference("Name") if version == V1_4 else None,
            attribute_index=1 if version == V1_4 else None,
            current_attribute=name("prod-1") if version != V1_4 else None,
        ),
    )
    for change in changes:
        assert await some.refused(change) == ResultReason.PERMISSION_DENIED
    names = {a.value.name_value for a in (await some.call(attributes(uid))).attributes if a.name == "Name"}
    assert names == {"app-1", "prod-1"}
    await some.call(AddAttributeRequest(unique_identifier=uid, new_attribute=name("app-2")))
    for change in changes:
        await everything.call(change)


async def test_a_client_locates_what_it_may_among_many(callers: tuple[Caller, Caller]) -> None:
    everything, some = callers
    mine, others = [], []
    for number in range(6):
        mine.append((await everything.call(create(name(f"app-{number}")))).unique_identifier)
        others.append((await everything.call(create(name(f"prod-{number}")))).unique_identifier)
    mine.reverse()
    assert list((await some.call(LocateRequest())).unique_identifiers) == mine
    page = await some.at(V2_1).call(LocateRequest(maximum_items=2, offset_items=3))
    assert list(page.unique_identifiers) == mine[3:5]
    assert not (await some.call(LocateRequest(attributes=(name("prod-1"),)))).unique_identifiers
    assert set((await everything.call(LocateRequest())).unique_identifiers) == {*mine, *others}


async def test_many_are_found_as_few_are(server: Server, app: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [(await app.call(create())).unique_identifier for _ in range(5)]
    made.reverse()
    # Beyond a short page the search goes on in a thread: the same, newest first, for every page.
    monkeypatch.setattr("kmsd.operations.context._SHORT_PAGE", 2)
    app = app.at(V2_1)
    assert list((await app.call(LocateRequest())).unique_identifiers) == made
    for most, offset in ((1, 0), (2, 1), (3, 1), (9, 2), (0, 0)):
        request = LocateRequest(maximum_items=most, offset_items=offset)
        assert list((await app.call(request)).unique_identifiers) == made[offset : offset + most]


async def test_a_replacement_takes_over_all_names_and_gets_no_others(callers: tuple[Caller, Caller]) -> None:
    everything, some = callers
    uid = (
        await everything.call(create(name("app-1"), name("prod-1"), Attribute("Activation Date", 1)))
    ).unique_identifier
    template = create(name("prod-2")).attributes
    template.attributes = tuple(a for a in template.attributes if a.name == "Name")
    request = ReKeyRequest(unique_identifier=uid, attributes=template)
    assert await some.refused(request) == ResultReason.PERMISSION_DENIED
    new = (await some.call(ReKeyRequest(unique_identifier=uid))).unique_identifier
    assert "Name" in shown(await everything.call(attributes(new)))
