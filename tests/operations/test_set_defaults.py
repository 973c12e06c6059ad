"""Set Defaults: for what the client leaves out, in the operations that make objects, and in its tenant only."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.administration import DefaultsInformation, ObjectDefaults, ObjectGroups, ObjectTypes
from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import ObjectType, QueryFunction, ResultReason, State
from protocol.operations.create import CreateRequest
from protocol.operations.query import QueryRequest
from protocol.operations.set_defaults import SetDefaultsRequest
from protocol.versions import V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, shown

AES_192 = (
    Attribute("Cryptographic Algorithm", Algorithm.AES),
    Attribute("Cryptographic Length", 192),
    Attribute("Cryptographic Usage Mask", Mask.ENCRYPT),
)


def entry(*values: Attribute, groups: Any = None, types: Any = (ObjectType.SYMMETRIC_KEY,)) -> ObjectDefaults:
    return ObjectDefaults(
        object_types=ObjectTypes(object_types=types),
        attributes=values,
        object_groups=ObjectGroups(object_groups=groups) if groups is not None else None,
    )


def set_(*entries: ObjectDefaults) -> SetDefaultsRequest:
    return SetDefaultsRequest(defaults_information=DefaultsInformation(object_defaults=entries))


def plain(*given: Attribute) -> CreateRequest:
    return CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=Template(attributes=given))


async def made(app: Caller, request: CreateRequest) -> dict[str, Any]:
    return shown(await app.call(attributes((await app.call(request)).unique_identifier)))


@pytest.fixture
def admin(app: Caller) -> Caller:
    return app.at(V2_1)


async def test_they_fill_in_what_the_client_leaves_out(admin: Caller) -> None:
    assert await admin.refused(plain()) == ResultReason.INVALID_ATTRIBUTE_VALUE
    await admin.call(set_(entry(*AES_192)))
    for version in (V1_4, V2_1):
        seen = await made(admin.at(version), plain())
        assert (seen["Cryptographic Length"], seen["Cryptographic Usage Mask"]) == (192, Mask.ENCRYPT)
    seen = await made(admin, create(length=128))
    assert (seen["Cryptographic Length"], seen["Cryptographic Usage Mask"]) == (128, Mask.ENCRYPT | Mask.DECRYPT)


async def test_a_length_is_for_its_algorithm_only(admin: Caller) -> None:
    await admin.call(set_(entry(*AES_192)))
    seen = await made(admin, plain(Attribute("Cryptographic Algorithm", Algorithm.HMAC_SHA256)))
    assert (seen["Cryptographic Length"], seen["Cryptographic Usage Mask"]) == (256, Mask.ENCRYPT)


async def test_those_of_a_group_come_first(admin: Caller) -> None:
    special = entry(Attribute("Cryptographic Length", 256), groups=("Group1",))
    await admin.call(set_(entry(*AES_192), special))
    assert (await made(admin, plain(Attribute("Object Group", "Group1"))))["Cryptographic Length"] == 256
    assert (await made(admin, plain(Attribute("Object Group", "Group2"))))["Cryptographic Length"] == 192


async def test_query_tells_them_and_nothing_removes_them(admin: Caller, server: Server) -> None:
    query = QueryRequest(query_functions=(QueryFunction.QUERY_DEFAULTS_INFORMATION,))
    await admin.call(set_(entry(*AES_192)))
    assert (await admin.call(query)).defaults_information.object_defaults == (entry(*AES_192),)
    bank = server.caller("bank", version=V2_1)
    assert (await bank.call(query)).defaults_information is None
    assert await bank.refused(plain()) == ResultReason.INVALID_ATTRIBUTE_VALUE
    await admin.call(SetDefaultsRequest())
    assert (await admin.call(query)).defaults_information is None


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (ObjectDefaults(attributes=AES_192), ResultReason.INVALID_FIELD),
        (entry(Attribute("State", State.ACTIVE)), ResultReason.ATTRIBUTE_READ_ONLY),
        (entry(Attribute("Certificate Length", 1)), ResultReason.ATTRIBUTE_READ_ONLY),
        (entry(*AES_192, *AES_192), ResultReason.ATTRIBUTE_SINGLE_VALUED),
    ],
)
async def test_what_is_no_default_is_refused(admin: Caller, wrong: ObjectDefaults, expected: ResultReason) -> None:
    assert await admin.refused(set_(wrong)) == expected


async def test_a_role_without_it_sets_none(server: Server) -> None:
    reader = server.caller(name="reader", version=V2_1)
    assert await reader.refused(set_(entry(*AES_192))) == ResultReason.PERMISSION_DENIED
