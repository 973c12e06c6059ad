"""Object groups: fresh members one after the other, and a default member (KMIP 1.4 §4.9)."""

from __future__ import annotations

import pytest

from protocol.attributes import Attribute
from protocol.enums import ObjectGroupMember, ResultReason
from protocol.operations.locate import LocateRequest
from protocol.versions import V1_1, V1_4, V2_1, ProtocolVersion
from tests.operations.conftest import Caller
from tests.operations.requests import create, destroy, get

GROUP = Attribute("Object Group", "pool")
FRESH, DEFAULT = ObjectGroupMember.GROUP_MEMBER_FRESH, ObjectGroupMember.GROUP_MEMBER_DEFAULT


def locate(member: ObjectGroupMember, maximum: int | None = None, offset: int | None = None) -> LocateRequest:
    return LocateRequest(attributes=(GROUP,), object_group_member=member, maximum_items=maximum, offset_items=offset)


@pytest.fixture
async def members(app: Caller) -> list[str]:
    await app.call(create())
    return [(await app.call(create(GROUP))).unique_identifier for _ in range(3)]


@pytest.mark.parametrize("version", [V1_1, V1_4, V2_1])
async def test_fresh_members_are_given_in_the_order_of_their_making(
    app: Caller, members: list[str], version: ProtocolVersion
) -> None:
    app = app.at(version)
    assert list((await app.call(locate(FRESH))).unique_identifiers) == members
    for uid in members:
        response = await app.batch([locate(FRESH, 1), get()])
        assert response.batch_items[1].payload.unique_identifier == uid  # type: ignore[attr-defined]
    assert (await app.call(locate(FRESH, 1))).unique_identifiers == ()


async def test_offset_and_maximum_count_from_the_oldest(app: Caller, members: list[str]) -> None:
    page = await app.at(V2_1).call(locate(FRESH, 1, 1))
    assert (list(page.unique_identifiers), page.located_items) == (members[1:2], 3)


async def test_the_default_member_is_the_oldest(app: Caller, members: list[str]) -> None:
    assert list((await app.call(locate(DEFAULT))).unique_identifiers) == members[:1]
    await app.call(destroy(members[0]))
    assert list((await app.call(locate(DEFAULT, 5))).unique_identifiers) == members[1:2]


async def test_a_member_is_one_of_a_group(app: Caller) -> None:
    request = LocateRequest(object_group_member=FRESH)
    assert await app.refused(request) == ResultReason.INVALID_FIELD
    assert await app.refused(locate(ObjectGroupMember(9))) == ResultReason.INVALID_FIELD
