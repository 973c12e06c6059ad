"""What another process does to a CMK, the very next request here knows: nothing that is kept in memory hides it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.storage.store import Store
from protocol.enums import BatchErrorContinuationOption, ResultReason, ResultStatus
from protocol.operations.delete_alias import DeleteAliasRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.update_alias import UpdateAliasRequest
from protocol.operations.update_cmk_description import UpdateCMKDescriptionRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.keys import DAY, described, encrypting, make, rotated
from tests.operations.requests import pair, revoke


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


async def meanwhile(app: Caller, items: list[Any], limiter: trio.CapacityLimiter, other: Caller, change: Any) -> Any:
    """The answers to a batch of which an item waits for a thread, and has one once the other has made the change."""
    answers: list[Any] = []

    async def send() -> None:
        answers.extend((await app.batch(items, BatchErrorContinuationOption.UNDO)).batch_items)

    threads = [object() for _ in range(int(limiter.total_tokens))]
    for thread in threads:
        await limiter.acquire_on_behalf_of(thread)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        with trio.fail_after(10):
            while limiter.statistics().tasks_waiting == 0:  # noqa: ASYNC110  (a limiter has no event for it)
                await trio.sleep(0.01)
        await other.call(change)
        for thread in threads:
            limiter.release_on_behalf_of(thread)
    return answers


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
@pytest.mark.parametrize("change", ["nothing", "revoked", "disabled"])
@pytest.mark.parametrize("unsaved", ["cmk", "version", "alias"])
async def test_what_a_batch_has_changed_does_not_vouch_for_what_it_has_not(
    app: Caller, server: Server, elsewhere: Caller, unsaved: str, change: str, here: bool
) -> None:
    app = app.at(V2_1)
    cmk = await make(app, alias_names=("alias/a",))
    uid, version = cmk.unique_identifier, str(cmk.primary_version)
    if unsaved != "version":
        # Else the first encryption changes the version: it sets a block aside.
        await used(app, version)
    described_anew = UpdateCMKDescriptionRequest(unique_identifier=uid, description="another")
    first = encrypting(version) if unsaved == "version" else described_anew
    last = encrypting({"cmk": uid, "version": version, "alias": "alias/a"}[unsaved])
    changes = {
        "nothing": DescribeCMKRequest(unique_identifier=uid),
        "revoked": revoke(version),
        "disabled": DisableCMKRequest(unique_identifier=uid),
    }
    answers = await meanwhile(
        app, [first, pair(), last], server.services.crypto_limiter, app if here else elsewhere, changes[change]
    )
    results = [item.result_status for item in answers]
    failed = [ResultStatus.OPERATION_UNDONE, ResultStatus.OPERATION_UNDONE, ResultStatus.OPERATION_FAILED]
    assert results == ([ResultStatus.SUCCESS] * 3 if change == "nothing" else failed)
    if (unsaved, change) in {("cmk", "revoked"), ("alias", "revoked"), ("version", "disabled")}:
        # Not stored at last, since another has changed it: looked at, and refused.
        assert answers[2].result_reason == ResultReason.WRONG_KEY_LIFECYCLE_STATE
