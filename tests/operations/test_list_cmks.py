"""List CMKs and aliases: filters, pages, and only what the client may see."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import BatchErrorContinuationOption, ResultReason
from protocol.key_service import KeyFilter, KeyTag
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.list_aliases import ListAliasesRequest
from protocol.operations.list_cmks import ListCMKsRequest
from tests.operations.conftest import Caller, Server
from tests.operations.keys import make


def by(key: str, *values: str) -> KeyFilter:
    return KeyFilter(filter_key=key, filter_values=values)


@pytest.fixture
async def keys(app: Caller, server: Server) -> dict[str, str]:
    """Three CMKs by a name of this test's."""
    made = {"plain": (await make(app, alias_names=("alias/a",))).unique_identifier}
    server.now += 1
    tags = (KeyTag(tag_key="team", tag_value="storage"),)
    made["signing"] = (await make(app, key_spec="EC_P256", tags=tags)).unique_identifier
    server.now += 1
    made["off"] = (await make(app, key_spec="AES_128", tags=(KeyTag(tag_key="x", tag_value="1"),))).unique_identifier
    await app.call(DisableCMKRequest(unique_identifier=made["off"]))
    await make(server.caller("bank"))
    return made


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), ["off", "signing", "plain"]),
        ((by("KeyState", "Enabled"),), ["signing", "plain"]),
        ((by("KeyState", "Disabled"),), ["off"]),
        ((by("KeyState", "Enabled", "Disabled"),), ["off", "signing", "plain"]),
        ((by("KeyState", "Enabled"), by("KeyState", "Disabled")), ["off", "signing", "plain"]),
        ((by("KeyState", "Enabled"), by("KeySpec", "AES_256")), ["plain"]),
        ((by("KeyUsage", "SIGN/VERIFY"),), ["signing"]),
        ((by("Origin", "EXTERNAL"),), []),
        ((by("ProtectionLevel", "SOFTWARE"),), ["off", "signing", "plain"]),
        ((by("AliasName", "alias/a"),), ["plain"]),
        ((by("Creator", "app"),), ["off", "signing", "plain"]),
        ((by("Creator", "nobody"),), []),
        ((by("TagKey", "team", "x"),), ["off", "signing"]),
        ((by("TagKey", "team"), by("TagValue", "1")), []),
        ((by("TagValue", "storage"),), ["signing"]),
        ((by("KeySpec", "no such"),), []),
    ],
)
async def test_filters(app: Caller, keys: dict[str, str], filters: Any, expected: list[str]) -> None:
    answer = await app.call(ListCMKsRequest(filters=filters))
    assert [key.unique_identifier for key in answer.keys] == [keys[name] for name in expected]
    assert answer.located_items == len(expected)


async def test_a_filter_by_identifier(app: Caller, keys: dict[str, str]) -> None:
    answer = await app.call(ListCMKsRequest(filters=(by("KeyId", keys["plain"]),)))
    assert [key.unique_identifier for key in answer.keys] == [keys["plain"]]


async def test_pages(app: Caller) -> None:
    made = [(await make(app)).unique_identifier for _ in range(12)]
    first = await app.call(ListCMKsRequest())
    assert (len(first.keys), first.located_items) == (10, 12)
    second = await app.call(ListCMKsRequest(offset_items=10))
    assert [key.unique_identifier for key in (*first.keys, *second.keys)] == made[::-1]
    assert len((await app.call(ListCMKsRequest(maximum_items=100))).keys) == 12
    assert (await app.call(ListCMKsRequest(offset_items=12))).keys == ()


@pytest.mark.parametrize(
    "request_",
    [
        ListCMKsRequest(maximum_items=0),
        ListCMKsRequest(maximum_items=101),
        ListCMKsRequest(offset_items=-1),
        ListCMKsRequest(filters=(by("Colour", "red"),)),
        ListCMKsRequest(filters=(by("KeyState", *"abcdefghijk"),)),
        ListCMKsRequest(filters=(by("KeyState", "Enabled"),) * 11),
    ],
)
async def test_what_is_no_page_and_no_filter(app: Caller, request_: ListCMKsRequest) -> None:
    assert await app.refused(request_) == ResultReason.INVALID_FIELD


async def test_the_most_filters_and_values_are_taken(app: Caller, keys: dict[str, str]) -> None:
    filters = (by("KeyState", "Enabled", *"abcdefghi"),) * 10
    assert (await app.call(ListCMKsRequest(filters=filters))).located_items == 2


async def test_a_batch_that_can_be_undone_lists_what_it_has_made(app: Caller) -> None:
    older = (await make(app, alias_names=("alias/old",))).unique_identifier
    items = [
        CreateCMKRequest(alias_names=("alias/new",)),
        DisableCMKRequest(unique_identifier=older),
        ListCMKsRequest(),
        ListAliasesRequest(),
    ]
    answer = await app.batch(items, BatchErrorContinuationOption.UNDO)
    made, _, listed, aliases = (item.payload for item in answer.batch_items)
    assert [(key.unique_identifier, key.key_state) for key in listed.keys] == [
        (made.metadata.unique_identifier, "Enabled"),
        (older, "Disabled"),
    ]
    assert [alias.alias_name for alias in aliases.aliases] == ["alias/new", "alias/old"]
