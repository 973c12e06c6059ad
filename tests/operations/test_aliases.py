"""Aliases: made, switched in one step, given up, listed; unique; and what they may not do."""

from __future__ import annotations

import pytest
import trio

from protocol.enums import BatchErrorContinuationOption, ResultReason, ResultStatus
from protocol.operations.create_alias import CreateAliasRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.delete_alias import DeleteAliasRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.list_aliases import ListAliasesRequest
from protocol.operations.update_alias import UpdateAliasRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Refused, Server
from tests.operations.keys import described, encrypting, make
from tests.operations.test_create_cmk import with_rules


async def test_an_alias_is_made_switched_and_given_up(app: Caller) -> None:
    app = app.at(V2_1)
    first, second = await make(app), await make(app)
    await app.call(CreateAliasRequest(alias_name="alias/app", unique_identifier=first.unique_identifier))
    assert (await app.call(encrypting("alias/app"))).unique_identifier == first.primary_version
    await app.call(UpdateAliasRequest(alias_name="alias/app", unique_identifier=second.unique_identifier))
    assert (await app.call(encrypting("alias/app"))).unique_identifier == second.primary_version
    assert (await described(app, first.unique_identifier)).alias_names == ()
    answer = await app.call(DeleteAliasRequest(alias_name="alias/app"))
    assert answer.unique_identifier == second.unique_identifier
    assert await app.refused(encrypting("alias/app")) == ResultReason.OBJECT_NOT_FOUND
    assert (await described(app, second.unique_identifier)).alias_names == ()


async def test_an_alias_is_unique_in_its_tenant(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    first = await make(app, alias_names=("alias/app",))
    second = await make(app)
    for uid in (first.unique_identifier, second.unique_identifier):
        again = CreateAliasRequest(alias_name="alias/app", unique_identifier=uid)
        assert await app.refused(again) == ResultReason.NON_UNIQUE_NAME_ATTRIBUTE
    assert await app.refused(CreateCMKRequest(alias_names=("alias/app",))) == ResultReason.NON_UNIQUE_NAME_ATTRIBUTE
    await make(server.caller("bank"), alias_names=("alias/app",))


@pytest.mark.parametrize("alias", ["alias/a", "alias/" + "x" * 255, "alias/A-Z_0/9"])
async def test_what_an_alias_may_look_like(app: Caller, alias: str) -> None:
    assert (await make(app, alias_names=(alias,))).alias_names == (alias,)


@pytest.mark.parametrize("alias", ["app", "alias/", "alias/" + "x" * 256, "alias/ä", "alias/a b", "alias/acs/oss", ""])
async def test_what_no_alias_looks_like(app: Caller, alias: str) -> None:
    uid = (await make(app)).unique_identifier
    assert await app.refused(CreateCMKRequest(alias_names=(alias,))) == ResultReason.INVALID_FIELD
    assert await app.refused(CreateAliasRequest(alias_name=alias, unique_identifier=uid)) == ResultReason.INVALID_FIELD
    assert await app.refused(UpdateAliasRequest(alias_name=alias, unique_identifier=uid)) == ResultReason.INVALID_FIELD
    assert await app.refused(DeleteAliasRequest(alias_name=alias)) == ResultReason.INVALID_FIELD


async def test_an_alias_moves_between_keys_of_one_usage_and_kind(app: Caller) -> None:
    app = app.at(V2_1)
    await make(app, alias_names=("alias/app",))
    for spec in ("RSA_2048", "HMAC_SHA_256"):
        other = (await make(app, key_spec=spec)).unique_identifier
        switch = UpdateAliasRequest(alias_name="alias/app", unique_identifier=other)
        assert await app.refused(switch) == ResultReason.ILLEGAL_OPERATION
    another = (await make(app, key_spec="AES_128")).unique_identifier
    await app.call(UpdateAliasRequest(alias_name="alias/app", unique_identifier=another))
    # Once more is no error: it names what it should name.
    await app.call(UpdateAliasRequest(alias_name="alias/app", unique_identifier=another))
    assert (await described(app, "alias/app")).unique_identifier == another


async def test_what_is_not_there(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await make(app)).unique_identifier
    missing = "key-" + "0" * 32
    for request in (
        UpdateAliasRequest(alias_name="alias/none", unique_identifier=uid),
        DeleteAliasRequest(alias_name="alias/none"),
        CreateAliasRequest(alias_name="alias/new", unique_identifier=missing),
        DescribeCMKRequest(unique_identifier="alias/none"),
        DescribeCMKRequest(unique_identifier=missing),
    ):
        assert await app.refused(request) == ResultReason.OBJECT_NOT_FOUND
    by_alias = CreateAliasRequest(alias_name="alias/new", unique_identifier="alias/old")
    assert await app.refused(by_alias) == ResultReason.FEATURE_NOT_SUPPORTED


async def test_aliases_are_listed_by_name_for_all_keys_and_for_one(app: Caller) -> None:
    first = (await make(app, alias_names=("alias/c", "alias/a"))).unique_identifier
    second = (await make(app, alias_names=("alias/b",))).unique_identifier
    answer = await app.call(ListAliasesRequest())
    found = [(alias.alias_name, alias.unique_identifier) for alias in answer.aliases]
    assert found == [("alias/a", first), ("alias/b", second), ("alias/c", first)]
    answer = await app.call(ListAliasesRequest(unique_identifier=first, maximum_items=1, offset_items=1))
    assert ([alias.alias_name for alias in answer.aliases], answer.located_items) == (["alias/c"], 2)


async def test_the_quota_of_aliases(server: Server) -> None:
    with_rules(server, maximum_aliases=2)
    app = server.caller(version=V2_1)
    uid = (await make(app, alias_names=("alias/1",))).unique_identifier
    await app.call(CreateAliasRequest(alias_name="alias/2", unique_identifier=uid))
    one_more = CreateAliasRequest(alias_name="alias/3", unique_identifier=uid)
    assert await app.refused(one_more) == ResultReason.SERVER_LIMIT_EXCEEDED
    assert await app.refused(CreateCMKRequest(alias_names=("alias/3",))) == ResultReason.SERVER_LIMIT_EXCEEDED


async def test_a_batch_with_undo_takes_a_switch_back(app: Caller) -> None:
    first = await make(app, alias_names=("alias/app",))
    second = await make(app)
    items = [
        UpdateAliasRequest(alias_name="alias/app", unique_identifier=second.unique_identifier),
        encrypting("alias/app"),
        DeleteAliasRequest(alias_name="alias/none"),
    ]
    answer = await app.batch(items, BatchErrorContinuationOption.UNDO)
    assert [item.result_status for item in answer.batch_items] == [
        ResultStatus.OPERATION_UNDONE,
        ResultStatus.OPERATION_UNDONE,
        ResultStatus.OPERATION_FAILED,
    ]
    assert (await described(app, "alias/app")).unique_identifier == first.unique_identifier


async def test_of_many_who_want_an_alias_one_gets_it(app: Caller) -> None:
    keys = [(await make(app)).unique_identifier for _ in range(6)]
    won: list[str] = []

    async def want(uid: str) -> None:
        try:
            await app.call(CreateAliasRequest(alias_name="alias/app", unique_identifier=uid))
        except Refused:
            return
        won.append(uid)

    async with trio.open_nursery() as nursery:
        for uid in keys:
            nursery.start_soon(want, uid)
    assert won == [(await described(app, "alias/app")).unique_identifier]


async def test_nobody_finds_an_alias_unbound_while_it_is_switched(app: Caller) -> None:
    keys = [await make(app), await make(app)]
    versions = {key.primary_version for key in keys}
    await app.call(CreateAliasRequest(alias_name="alias/app", unique_identifier=keys[0].unique_identifier))
    used: list[str] = []

    async def switch() -> None:
        for number in range(10):
            uid = keys[number % 2].unique_identifier
            await app.call(UpdateAliasRequest(alias_name="alias/app", unique_identifier=uid))

    async def use() -> None:
        for _ in range(20):
            used.append((await app.call(encrypting("alias/app"))).unique_identifier)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(switch)
            nursery.start_soon(use)
    assert len(used) == 60
    assert set(used) <= versions
