"""What another process does to a CMK, the very next request here knows: nothing that is kept in memory hides it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from kmsd.storage.store import Store
from protocol.enums import BatchErrorContinuationOption, ResultReason, ResultStatus
from protocol.operations.delete_alias import DeleteAliasRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.update_alias import UpdateAliasRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.keys import DAY, described, encrypting, make, rotated


@pytest.fixture
async def elsewhere(server: Server, tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Caller]:
    """The same client at another process with the same store and keys."""
    with Store.open(tmp_path / "kmsd.db") as store:
        await nursery.start(store.run)
        other = Server(store, {"acme": tenant_settings(), "bank": tenant_settings()})
        other.use(server.services.tenants)
        yield other.caller(version=V2_1)


async def used(app: Caller, name: str) -> str:
    """The version that encrypts, asked twice: the second time what is in memory answers, if anything does."""
    first = (await app.call(encrypting(name))).unique_identifier
    assert (await app.call(encrypting(name))).unique_identifier == first
    return str(first)


async def test_a_rotation_elsewhere_is_used_at_once(app: Caller, elsewhere: Caller) -> None:
    cmk = await make(app, alias_names=("alias/a",))
    for name in (cmk.unique_identifier, "alias/a"):
        assert await used(app, name) == (await described(app, cmk.unique_identifier)).primary_version
        newest = await rotated(elsewhere, cmk.unique_identifier)
        assert await used(app, name) == newest


async def test_an_alias_that_moves_elsewhere_is_followed_at_once(app: Caller, elsewhere: Caller) -> None:
    first = await make(app, alias_names=("alias/a", "alias/b"))
    second = await make(app)
    for target in (second, first, second):
        await used(app, "alias/a")
        await elsewhere.call(UpdateAliasRequest(alias_name="alias/a", unique_identifier=target.unique_identifier))
        assert await used(app, "alias/a") == target.primary_version
    assert await used(app, "alias/b") == first.primary_version
    await elsewhere.call(DeleteAliasRequest(alias_name="alias/a"))
    assert await app.at(V2_1).refused(encrypting("alias/a")) == ResultReason.OBJECT_NOT_FOUND
    third = await make(elsewhere, alias_names=("alias/a",))
    assert await used(app, "alias/a") == third.primary_version


async def test_a_refusal_that_comes_from_elsewhere_holds_at_once(app: Caller, elsewhere: Caller) -> None:
    app = app.at(V2_1)
    cmk = await make(app, alias_names=("alias/a",))
    uid, version = cmk.unique_identifier, str(cmk.primary_version)
    names = (uid, "alias/a", version)
    for name in names:
        await used(app, name)
    await elsewhere.call(DisableCMKRequest(unique_identifier=uid))
    for name in names:
        assert await app.refused(encrypting(name)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    await elsewhere.call(EnableCMKRequest(unique_identifier=uid))
    for name in names:
        await used(app, name)
    newest = await rotated(elsewhere, uid)
    await used(app, newest)
    await elsewhere.call(ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=7))
    for name in (uid, "alias/a", newest):
        assert await app.refused(encrypting(name)) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    app.server.now += 7 * DAY
    for name in (uid, "alias/a"):
        assert await app.refused(encrypting(name)) == ResultReason.OBJECT_DESTROYED


async def test_what_an_item_changes_the_next_ones_see(app: Caller) -> None:
    cmk = await make(app, alias_names=("alias/a",))
    other = await make(app)
    await used(app, "alias/a")
    items = [
        encrypting("alias/a"),
        UpdateAliasRequest(alias_name="alias/a", unique_identifier=other.unique_identifier),
        encrypting("alias/a"),
        DisableCMKRequest(unique_identifier=cmk.unique_identifier),
        encrypting(cmk.unique_identifier),
    ]
    for option in (None, BatchErrorContinuationOption.UNDO):
        answers = (await app.batch(items, option)).batch_items
        assert [item.result_status == ResultStatus.SUCCESS for item in answers][4] is False
        if option is None:
            assert answers[0].payload.unique_identifier == cmk.primary_version  # type: ignore[union-attr]
            assert answers[2].payload.unique_identifier == other.primary_version  # type: ignore[union-attr]
            await app.call(UpdateAliasRequest(alias_name="alias/a", unique_identifier=cmk.unique_identifier))
            await app.call(EnableCMKRequest(unique_identifier=cmk.unique_identifier))
    # Undone: the alias and the state are what they were.
    assert await used(app, "alias/a") == cmk.primary_version
