"""Get, list, add, modify, set and delete attributes, in both wire forms."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, AttributeReference
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    ObjectType,
    ResultReason,
    State,
    UsageLimitsUnit,
)
from protocol.names import Tag
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.get_attribute_list import GetAttributeListRequest
from protocol.operations.get_attributes import GetAttributesRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.structures import UsageLimits
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import activate, attributes, create, destroy, name, shown


def custom(text: str, key: str = "x-note") -> Attribute:
    return Attribute(key, Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, text))


@pytest.fixture
async def uid(app: Caller) -> str:
    made = await app.call(create(name("first"), custom("one")))
    return str(made.unique_identifier)


@pytest.mark.parametrize("version", SUPPORTED)
async def test_only_what_the_version_knows_is_shown(app: Caller, uid: str, version: Any) -> None:
    seen = shown(await app.at(version).call(attributes(uid)))
    assert seen["Unique Identifier"] == uid
    assert seen["Object Type"] == ObjectType.SYMMETRIC_KEY
    assert seen["x-note"].value == "one"
    assert ("Fresh" in seen) == (version >= (1, 1))
    assert ("Original Creation Date" in seen) == (version >= (1, 2))
    assert ("Random Number Generator" in seen) == (version >= (1, 3))
    assert ("Sensitive" in seen) == (version >= (1, 4))
    assert ("Protection Level" in seen) == (version >= (2, 0))


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_0, V2_1])
async def test_the_list_names_what_get_attributes_gives(app: Caller, uid: str, version: Any) -> None:
    app = app.at(version)
    await app.at(V1_4).call(AddAttributeRequest(unique_identifier=uid, new_attribute=name("second")))
    listed = await app.call(GetAttributeListRequest(unique_identifier=uid))
    names = [reference.key for reference in listed.attribute_references]
    assert len(set(names)) == len(names)
    assert set(names) == set(shown(await app.call(attributes(uid))))


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1])
async def test_an_attribute_that_is_not_set_is_left_out(app: Caller, uid: str, version: Any) -> None:
    wanted = tuple(AttributeReference(n) for n in ("State", "Contact Information", "x-nothing"))
    request = GetAttributesRequest(unique_identifier=uid, attribute_references=wanted)
    assert shown(await app.at(version).call(request)) == {"State": State.PRE_ACTIVE}


async def test_asking_twice_for_an_attribute_is_an_invalid_message(app: Caller, uid: str) -> None:
    request = GetAttributesRequest(
        unique_identifier=uid, attribute_references=(AttributeReference("State"), AttributeReference("State"))
    )
    assert await app.refused(request) == ResultReason.INVALID_MESSAGE


async def test_instances_get_the_next_index_and_go_by_it(app: Caller, uid: str) -> None:
    for text in ("second", "third"):
        added = await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=name(text)))
    assert added.attribute.index == 2
    new = Attribute("Name", name("other").value, 1)
    await app.call(ModifyAttributeRequest(unique_identifier=uid, new_attribute=new))
    gone = DeleteAttributeRequest(
        unique_identifier=uid, attribute_reference=AttributeReference("Name"), attribute_index=0
    )
    assert (await app.call(gone)).attribute.value.name_value == "first"
    wanted = GetAttributesRequest(unique_identifier=uid, attribute_references=(AttributeReference("Name"),))
    kept = (await app.call(wanted)).attributes
    assert [(a.value.name_value, a.index) for a in kept] == [("other", 1), ("third", 2)]
    missing = Attribute("Name", name("x").value, 7)
    assert (
        await app.refused(ModifyAttributeRequest(unique_identifier=uid, new_attribute=missing))
        == ResultReason.ITEM_NOT_FOUND
    )


async def test_in_2_the_current_value_says_which_instance(app: Caller, uid: str) -> None:
    app = app.at(V2_1)
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=name("second")))
    await app.call(
        ModifyAttributeRequest(unique_identifier=uid, current_attribute=name("first"), new_attribute=name("1st"))
    )
    await app.call(DeleteAttributeRequest(unique_identifier=uid, current_attribute=name("second")))
    assert shown(await app.call(attributes(uid)))["Name"].name_value == "1st"
    assert (
        await app.refused(DeleteAttributeRequest(unique_identifier=uid, current_attribute=name("second")))
        == ResultReason.ATTRIBUTE_INSTANCE_NOT_FOUND
    )


async def test_a_reference_deletes_every_instance_in_2(app: Caller, uid: str) -> None:
    app = app.at(V2_1)
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=name("second")))
    request = DeleteAttributeRequest(unique_identifier=uid, attribute_reference=AttributeReference("Name"))
    await app.call(request)
    assert "Name" not in shown(await app.call(attributes(uid)))
    assert await app.refused(request) == ResultReason.ATTRIBUTE_NOT_FOUND


async def test_set_attribute_sets_what_is_single_valued(app: Caller, uid: str) -> None:
    app = app.at(V2_1)
    for text in ("one", "two"):
        await app.call(SetAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Comment", text)))
        assert shown(await app.call(attributes(uid)))["Comment"] == text
    assert (
        await app.refused(SetAttributeRequest(unique_identifier=uid, new_attribute=name("x")))
        == ResultReason.MULTI_VALUED_ATTRIBUTE
    )


READ_ONLY = [
    Attribute("State", State.ACTIVE),
    Attribute("Initial Date", NOW),
    Attribute("Cryptographic Length", 128),
    Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES),
    Attribute("Object Type", ObjectType.SECRET_DATA),
    Attribute("Unique Identifier", "other"),
    Attribute("Always Sensitive", True),
    Attribute("Never Extractable", True),
    Attribute("Last Change Date", NOW),
    custom("mine", "y-server"),
]


@pytest.mark.parametrize("attribute", READ_ONLY, ids=lambda a: a.name)
async def test_what_is_the_servers_stays_the_servers(app: Caller, uid: str, attribute: Attribute) -> None:
    app = app.at(V2_1)
    before = shown(await app.call(attributes(uid)))
    for request in (
        AddAttributeRequest(unique_identifier=uid, new_attribute=attribute),
        ModifyAttributeRequest(unique_identifier=uid, new_attribute=attribute),
        SetAttributeRequest(unique_identifier=uid, new_attribute=attribute),
        DeleteAttributeRequest(
            unique_identifier=uid, attribute_reference=AttributeReference(attribute.name, attribute.vendor)
        ),
    ):
        assert await app.refused(request) in (
            ResultReason.ATTRIBUTE_READ_ONLY,
            ResultReason.READ_ONLY_ATTRIBUTE,
            ResultReason.MULTI_VALUED_ATTRIBUTE,
        )
    assert shown(await app.call(attributes(uid))) == before


async def test_the_reasons_of_1_x(app: Caller, uid: str) -> None:
    add = AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Initial Date", NOW))
    assert await app.refused(add) == ResultReason.PERMISSION_DENIED
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Contact Information", "me")))
    again = AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Contact Information", "you"))
    assert await app.refused(again) == ResultReason.ILLEGAL_OPERATION
    indexed = AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Name", name("n").value, 5))
    assert await app.refused(indexed) == ResultReason.INVALID_FIELD
    absent = ModifyAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Object Group", "g"))
    assert await app.refused(absent) == ResultReason.INVALID_FIELD
    unknown = AddAttributeRequest(
        unique_identifier=uid,
        new_attribute=Attribute("No Such Attribute", Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 1)),
    )
    assert await app.refused(unknown) == ResultReason.INVALID_FIELD


async def test_another_objects_name_is_refused(app: Caller, uid: str) -> None:
    await app.call(create(name("taken")))
    add = AddAttributeRequest(unique_identifier=uid, new_attribute=name("taken"))
    assert await app.at(V1_4).refused(add) == ResultReason.ILLEGAL_OPERATION
    assert await app.at(V2_1).refused(add) == ResultReason.NON_UNIQUE_NAME_ATTRIBUTE


async def test_the_name_of_a_destroyed_object_is_free_again(app: Caller, uid: str) -> None:
    await app.call(destroy(uid))
    assert await app.call(create(name("first")))


async def test_sensitive_once_false_is_never_always_true_again(app: Caller) -> None:
    uid = (await app.call(create(Attribute("Sensitive", True), Attribute("Extractable", False)))).unique_identifier
    seen = shown(await app.call(attributes(uid)))
    assert (seen["Always Sensitive"], seen["Never Extractable"]) == (True, True)
    for attribute in (Attribute("Sensitive", False), Attribute("Extractable", True)):
        await app.call(ModifyAttributeRequest(unique_identifier=uid, new_attribute=attribute))
    for attribute in (Attribute("Sensitive", True), Attribute("Extractable", False)):
        await app.call(ModifyAttributeRequest(unique_identifier=uid, new_attribute=attribute))
    seen = shown(await app.call(attributes(uid)))
    assert (seen["Sensitive"], seen["Always Sensitive"]) == (True, False)
    assert (seen["Extractable"], seen["Never Extractable"]) == (False, False)


async def test_modifying_the_activation_date_to_the_past_activates(app: Caller) -> None:
    uid = (await app.call(create(Attribute("Activation Date", NOW + 100)))).unique_identifier
    past = Attribute("Activation Date", NOW - 1)
    await app.call(ModifyAttributeRequest(unique_identifier=uid, new_attribute=past))
    assert shown(await app.call(attributes(uid)))["State"] == State.ACTIVE
    assert (
        await app.refused(ModifyAttributeRequest(unique_identifier=uid, new_attribute=past))
        == ResultReason.PERMISSION_DENIED
    )


async def test_a_deactivation_date_that_passes_deactivates(app: Caller, server: Server, uid: str) -> None:
    await app.call(activate(uid))
    date = Attribute("Deactivation Date", NOW + 5)
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=date))
    server.now += 6
    assert shown(await app.call(attributes(uid)))["State"] == State.DEACTIVATED


async def test_the_last_change_date_moves_with_each_change(app: Caller, server: Server, uid: str) -> None:
    server.now += 60
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=name("later")))
    seen = shown(await app.call(attributes(uid)))
    assert (seen["Initial Date"], seen["Last Change Date"]) == (NOW, NOW + 60)


async def test_a_vendor_attribute_of_2_keeps_its_vendor(app: Caller, uid: str) -> None:
    app = app.at(V2_1)
    value = Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, 7)
    await app.call(
        AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("level", value, vendor="Example"))
    )
    seen = await app.call(
        GetAttributesRequest(unique_identifier=uid, attribute_references=(AttributeReference("level", "Example"),))
    )
    assert [(a.name, a.vendor, a.value.value) for a in seen.attributes] == [("level", "Example", 7)]


async def test_the_usage_mask_is_not_the_clients_to_widen(app: Caller, uid: str) -> None:
    wider = Attribute("Cryptographic Usage Mask", CryptographicUsageMask(0xFFF))
    assert (
        await app.refused(ModifyAttributeRequest(unique_identifier=uid, new_attribute=wider))
        == ResultReason.PERMISSION_DENIED
    )


async def test_added_usage_limits_start_unused(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    limits = UsageLimits(usage_limits_total=1000, usage_limits_unit=UsageLimitsUnit.BYTE)
    added = await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Usage Limits", limits)))
    assert added.attribute.value.usage_limits_count == 1000
    assert shown(await app.call(attributes(uid)))["Usage Limits"].usage_limits_count == 1000
