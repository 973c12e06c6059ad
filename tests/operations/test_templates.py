"""Templates of 1.x: registered, fetched, and taken over by new objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.attributes import Attribute, Template
from protocol.enums import (
    CryptographicAlgorithm,
    CryptographicUsageMask,
    NameType,
    ObjectType,
    QueryFunction,
    ResultReason,
    State,
)
from protocol.names import Tag
from protocol.objects import TemplateObject
from protocol.operations.archive import ArchiveRequest
from protocol.operations.create import CreateRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.query import QueryRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import Name
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_0, V1_1, V1_2, V1_4, V2_0
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, destroy, get, name, pair, register, shown

AES = Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES)
BITS = Attribute("Cryptographic Length", 128)
USE = Attribute("Cryptographic Usage Mask", CryptographicUsageMask.ENCRYPT)
CONTACT = Attribute("Contact Information", "Joe")
CUSTOM = Attribute("x-purpose", Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "test"))
NAMED = (Name(name_value="t", name_type=NameType.UNINTERPRETED_TEXT_STRING),)


def template(*inner: Attribute, beside: tuple[Attribute, ...] = (name("t"),)) -> RegisterRequest:
    return RegisterRequest(
        object_type=ObjectType.TEMPLATE,
        attributes=Template(attributes=beside),
        managed_object=TemplateObject(attributes=inner),
    )


def by_template(*more: Attribute) -> CreateRequest:
    return CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(attributes=more, names=NAMED))


@pytest.mark.parametrize("version", [V1_0, V1_1, V1_2, V1_4])
async def test_a_new_object_takes_over_the_attributes_of_its_template(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(template(AES, BITS, CONTACT, CUSTOM))).unique_identifier
    assert (await app.call(LocateRequest(attributes=(Attribute("Object Type", ObjectType.TEMPLATE),)))) is not None
    key = (await app.call(by_template(USE))).unique_identifier
    seen = shown(await app.call(attributes(key)))
    assert (seen["Cryptographic Length"], seen["Contact Information"]) == (128, "Joe")
    assert seen["x-purpose"].value == "test"
    assert "Name" not in seen
    # What a template gives is that of its registration, without what the server keeps.
    given = (await app.call(get(uid))).managed_object
    assert {attribute.name for attribute in given.attributes} == {
        *("Cryptographic Algorithm", "Cryptographic Length", "Contact Information", "x-purpose"),
    }


async def test_what_the_request_says_comes_before_what_the_template_says(app: Caller) -> None:
    await app.call(template(AES, BITS, CONTACT, Attribute("Object Group", "one")))
    length = Attribute("Cryptographic Length", 256)
    key = (await app.call(by_template(USE, length, Attribute("Object Group", "two")))).unique_identifier
    response = await app.call(attributes(key))
    assert shown(response)["Cryptographic Length"] == 256
    groups = [attribute.value for attribute in response.attributes if attribute.name == "Object Group"]
    assert sorted(groups) == ["one", "two"]


async def test_a_template_serves_objects_of_other_types_as_far_as_it_applies(app: Caller) -> None:
    await app.call(template(CONTACT, CUSTOM, Attribute("Process Start Date", 1)))
    request = pair()
    request.common_attributes = replace(request.common_attributes, names=NAMED)  # type: ignore[type-var]
    made = await app.call(request)
    seen = shown(await app.call(attributes(made.private_key_unique_identifier)))
    assert seen["Contact Information"] == "Joe"
    assert "Process Start Date" not in seen
    brought = register(bytes(32))
    brought.attributes = Template(attributes=brought.attributes.attributes, names=NAMED)
    uid = (await app.call(brought)).unique_identifier
    assert shown(await app.call(attributes(uid)))["Contact Information"] == "Joe"


async def test_the_name_stands_in_the_template_in_1_0_only(app: Caller) -> None:
    request = template(CONTACT, name("t"), beside=())
    assert await app.at(V1_1).refused(request) == ResultReason.INVALID_FIELD
    assert await app.at(V1_0).call(request)
    assert await app.at(V1_0).refused(template(CONTACT, beside=())) == ResultReason.INVALID_FIELD


async def test_a_template_that_is_not_there_or_archived_is_refused(app: Caller, server: Server) -> None:
    assert await app.refused(by_template(USE)) == ResultReason.ITEM_NOT_FOUND
    uid = (await app.call(template(AES, BITS))).unique_identifier
    other = server.caller("bank")
    assert await other.refused(by_template(USE)) == ResultReason.ITEM_NOT_FOUND
    await app.call(ArchiveRequest(unique_identifier=uid))
    assert await app.refused(by_template(USE)) == ResultReason.OBJECT_ARCHIVED


async def test_what_a_template_says_of_itself_is_not_taken_over(app: Caller) -> None:
    own = Attribute("x-purpose", Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "mine"))
    uid = (await app.call(template(AES, BITS, CUSTOM, beside=(name("t"), own, CONTACT)))).unique_identifier
    seen = shown(await app.call(attributes(uid)))
    assert (seen["Contact Information"], seen["x-purpose"].value) == ("Joe", "mine")
    assert "Cryptographic Length" not in seen
    made = shown(await app.call(attributes((await app.call(by_template(USE))).unique_identifier)))
    assert made["x-purpose"].value == "test"
    assert "Contact Information" not in made


@pytest.mark.parametrize(
    "held", [Attribute("Initial Date", 1), Attribute("Contact Information", "Ann"), Attribute("Digest", None)]
)
async def test_a_template_holds_what_a_client_may_set(app: Caller, held: Attribute) -> None:
    if held.value is None:
        held = Attribute("State", State.ACTIVE)
    assert await app.at(V1_4).refused(template(CONTACT, held)) in (
        ResultReason.PERMISSION_DENIED,
        ResultReason.INVALID_FIELD,
    )


async def test_a_template_is_used_in_the_batch_that_registers_it(app: Caller) -> None:
    response = await app.batch([template(AES, BITS), by_template(USE)])
    assert response.batch_items[1].payload is not None


async def test_a_template_is_destroyed_once(app: Caller) -> None:
    uid = (await app.call(template(CONTACT))).unique_identifier
    await app.call(destroy(uid))
    assert await app.refused(destroy(uid)) == ResultReason.PERMISSION_DENIED
    assert await app.refused(get(uid)) == ResultReason.ITEM_NOT_FOUND


async def test_an_object_that_is_no_template_lends_nothing(app: Caller) -> None:
    await app.call(create(name("t"), CONTACT))
    assert await app.refused(by_template(AES, BITS, USE)) == ResultReason.ITEM_NOT_FOUND


async def test_2_x_has_no_templates(app: Caller) -> None:
    query = QueryRequest(query_functions=(QueryFunction.QUERY_OBJECTS,))
    assert ObjectType.TEMPLATE in (await app.at(V1_4).call(query)).object_types
    assert ObjectType.TEMPLATE not in (await app.at(V2_0).call(query)).object_types
