"""Set Constraints: they bind every new object of the tenant, by whatever operation, and no other tenant's."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.administration import Constraint, Constraints, ObjectGroups, ObjectTypes
from protocol.attributes import Attribute
from protocol.enums import BatchErrorContinuationOption, ObjectType, ResultReason, ResultStatus
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.names import Tag
from protocol.operations.get_constraints import GetConstraintsRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.set_constraints import SetConstraintsRequest
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, get, pair, register

VIOLATION = ResultReason.CONSTRAINT_VIOLATION
GROUP = Attribute("Object Group", "Group1")


def constraint(*wanted: Attribute, types: Any = (ObjectType.SYMMETRIC_KEY,), groups: Any = None) -> Constraint:
    return Constraint(
        object_types=ObjectTypes(object_types=types) if types is not None else None,
        object_groups=ObjectGroups(object_groups=groups) if groups is not None else None,
        attributes=wanted,
    )


def length(bits: int) -> Attribute:
    return Attribute("Cryptographic Length", bits)


def set_(*constraints: Constraint) -> SetConstraintsRequest:
    return SetConstraintsRequest(constraints=Constraints(constraints=constraints))


@pytest.fixture
def admin(app: Caller) -> Caller:
    return app.at(V2_1)


async def test_new_objects_must_satisfy_them_in_every_version_and_operation(admin: Caller) -> None:
    await admin.call(set_(constraint(length(192))))
    assert await admin.refused(create()) == VIOLATION
    assert await admin.at(V1_4).refused(create()) == ResultReason.PERMISSION_DENIED
    assert await admin.refused(register(bytes(16))) == VIOLATION
    assert await admin.call(create(length=192))
    assert await admin.call(register(bytes(24)))
    assert await admin.call(pair())


async def test_those_of_a_group_take_the_place_of_those_of_none(admin: Caller) -> None:
    await admin.call(set_(constraint(length(256), groups=("Group1",)), constraint(length(192))))
    assert await admin.call(create(GROUP, length=256))
    assert await admin.refused(create(GROUP, length=192)) == VIOLATION
    assert await admin.call(create(length=192))
    assert await admin.refused(create(length=256)) == VIOLATION


async def test_several_are_alternatives(admin: Caller) -> None:
    await admin.call(set_(constraint(length(128)), constraint(length(256))))
    assert await admin.call(create(length=128))
    assert await admin.call(create(length=256))
    assert await admin.refused(create(length=192)) == VIOLATION


async def test_all_attributes_of_one_must_fit_and_a_mask_is_what_is_allowed_at_most(admin: Caller) -> None:
    usage = Attribute("Cryptographic Usage Mask", Mask.ENCRYPT | Mask.DECRYPT | Mask.WRAP_KEY)
    await admin.call(
        set_(constraint(Attribute("Cryptographic Algorithm", Algorithm.AES), length(256), usage, types=None))
    )
    assert await admin.call(create())
    assert await admin.refused(create(length=128)) == VIOLATION
    assert await admin.refused(create(usage=Mask.ENCRYPT | Mask.SIGN)) == VIOLATION
    assert await admin.refused(pair()) == VIOLATION


async def test_they_are_given_back_and_removed(admin: Caller) -> None:
    wanted = (constraint(length(256), groups=("Group1",)), constraint(length(192)))
    await admin.call(set_(*wanted))
    assert (await admin.call(GetConstraintsRequest())).constraints.constraints == wanted
    await admin.call(SetConstraintsRequest())
    assert (await admin.call(GetConstraintsRequest())).constraints.constraints == ()
    assert await admin.call(create(length=128))


async def test_they_are_the_tenants(admin: Caller, server: Server) -> None:
    await admin.call(set_(constraint(length(192))))
    bank = server.caller("bank", version=V2_1)
    assert (await bank.call(GetConstraintsRequest())).constraints.constraints == ()
    assert await bank.call(create())
    reader = server.caller(name="reader", version=V2_1)
    for refused in (set_(), GetConstraintsRequest()):
        assert await reader.refused(refused) == ResultReason.PERMISSION_DENIED


async def test_where_they_are_kept_is_no_object_of_anybody(admin: Caller, server: Server) -> None:
    await admin.call(set_(constraint(length(256))))
    uid = "acme rules"
    assert server.store.get(uid, uid) is not None
    assert (await admin.call(LocateRequest())).unique_identifiers == ()
    for request in (get(uid), attributes(uid)):
        assert await admin.refused(request) == ResultReason.OBJECT_NOT_FOUND
    items = (await admin.batch([set_(), attributes(uid)], BatchErrorContinuationOption.UNDO)).batch_items
    assert items[1].result_reason == ResultReason.OBJECT_NOT_FOUND


async def test_within_an_undone_batch_they_count_and_are_undone(admin: Caller) -> None:
    undo = BatchErrorContinuationOption.UNDO
    items = (await admin.batch([set_(constraint(length(192))), create()], undo)).batch_items
    assert [item.result_status for item in items] == [ResultStatus.OPERATION_UNDONE, ResultStatus.OPERATION_FAILED]
    assert (await admin.call(GetConstraintsRequest())).constraints.constraints == ()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        # KMIP 2.1 §11.46: an Invalid Field is "(other than an attribute value)".
        (
            (
                constraint(
                    Attribute("Cryptographic Length", Item(Tag.CRYPTOGRAPHIC_LENGTH, ItemType.TEXT_STRING, "256"))
                ),
            ),
            ResultReason.INVALID_ATTRIBUTE_VALUE,
        ),
        (tuple(constraint(length(256), groups=("x" * 1000,)) for _ in range(70)), ResultReason.INVALID_FIELD),
    ],
)
async def test_what_is_no_constraint_is_refused(
    admin: Caller, wrong: tuple[Constraint, ...], reason: ResultReason
) -> None:
    assert await admin.refused(set_(*wrong)) == reason
