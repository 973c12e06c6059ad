"""Many tasks at one CMK: rotated, used, switched off and on, deleted; nothing is lost, and no wrong version is used."""

from __future__ import annotations

from typing import Any

import trio
import trio.lowlevel

from kmsd.scheduler.jobs import run_due
from protocol.enums import ResultReason
from protocol.key_service import KeyTag
from protocol.operations.cancel_deletion import CancelDeletionRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.list_cmk_versions import ListCMKVersionsRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.tag_cmk import TagCMKRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Refused, Server
from tests.operations.keys import DAY, decrypting, described, encrypting, make, rotated

EXPECTED = {ResultReason.WRONG_KEY_LIFECYCLE_STATE, ResultReason.OBJECT_DESTROYED}
"""What a task may be told while others switch the key off or delete it."""


async def test_rotations_and_uses_at_once(server: Server) -> None:
    app = server.caller(version=V2_1)
    uid = (await make(app, alias_names=("alias/app",))).unique_identifier
    made: list[tuple[bytes, Any]] = []
    versions: list[str] = []

    async def rotate(by: str) -> None:
        for _ in range(4):
            if by == "Re-key":
                versions.append((await app.call(ReKeyRequest(unique_identifier="alias/app"))).unique_identifier)
            else:
                versions.append(await rotated(app, uid))
            await trio.lowlevel.checkpoint()

    async def use(number: int) -> None:
        for count in range(12):
            data = b"%d-%d" % (number, count)
            made.append((data, await app.call(encrypting("alias/app", data))))
            _, earlier = made[len(made) // 2]
            await app.call(decrypting(earlier))

    async with trio.open_nursery() as nursery:
        for by in ("Rotate CMK", "Re-key", "Rotate CMK"):
            nursery.start_soon(rotate, by)
        for number in range(4):
            nursery.start_soon(use, number)
    assert len(set(versions)) == 12
    now = await described(app, uid)
    assert now.version_count == 13
    listed = (await app.call(ListCMKVersionsRequest(unique_identifier=uid, maximum_items=100))).versions
    assert [version.version_number for version in listed] == list(range(13, 0, -1))
    assert {version.unique_identifier for version in listed} > set(versions)
    assert listed[0].unique_identifier == now.primary_version
    for data, encrypted in made:
        assert (await app.call(decrypting(encrypted))).data == data


async def test_a_version_that_has_been_replaced_protects_nothing_whoever_was_first(server: Server) -> None:
    """An answer that names a version was given by the primary of that moment: after a rotation's answer, never by
    the version before."""
    app = server.caller(version=V2_1)
    uid = (await make(app)).unique_identifier
    latest = 1
    numbers = {(await described(app, uid)).primary_version: 1}
    wrong: list[str] = []

    async def rotate() -> None:
        nonlocal latest
        for _ in range(8):
            version = await rotated(app, uid)
            numbers[version] = len(numbers) + 1
            latest = numbers[version]
            await trio.lowlevel.checkpoint()

    async def use() -> None:
        for _ in range(20):
            least = latest
            version = (await app.call(encrypting(uid))).unique_identifier
            # A rotation may have been committed and not answered yet: then the version is newer than those known.
            if numbers.get(version, latest + 1) < least:
                wrong.append(version)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(rotate)
        for _ in range(4):
            nursery.start_soon(use)
    assert wrong == []


async def test_everything_at_once(server: Server) -> None:
    app = server.caller(version=V2_1)
    made = await make(app, alias_names=("alias/app",), rotate_automatic=True, rotate_interval=7 * DAY)
    uid = made.unique_identifier
    encrypted = [(b"first", await app.call(encrypting("alias/app", b"first")))]
    tagged: list[str] = []
    versions: list[str] = []

    async def anyway(app: Caller, request: Any) -> Any:
        try:
            return await app.call(request)
        except Refused as refused:
            if refused.reason not in EXPECTED:
                raise
            return None

    async def switch() -> None:
        for _ in range(6):
            await anyway(app, DisableCMKRequest(unique_identifier=uid))
            await trio.lowlevel.checkpoint()
            await anyway(app, EnableCMKRequest(unique_identifier=uid))

    async def delete() -> None:
        for _ in range(6):
            await anyway(app, ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=7))
            await trio.lowlevel.checkpoint()
            await anyway(app, CancelDeletionRequest(unique_identifier=uid))

    async def rotate() -> None:
        for _ in range(6):
            answer = await anyway(app, ReKeyRequest(unique_identifier=uid))
            if answer is not None:
                versions.append(answer.unique_identifier)
            await trio.lowlevel.checkpoint()

    async def use() -> None:
        for number in range(12):
            answer = await anyway(app, encrypting("alias/app", b"%d" % number))
            if answer is not None:
                encrypted.append((b"%d" % number, answer))

    async def tag(number: int) -> None:
        tags = (KeyTag(tag_key=f"k{number}", tag_value="v"),)
        if await anyway(app, TagCMKRequest(unique_identifier=uid, tags=tags)) is not None:
            tagged.append(f"k{number}")

    async with trio.open_nursery() as nursery:
        for task in (switch, delete, rotate, rotate, use, use):
            nursery.start_soon(task)
        for number in range(8):
            nursery.start_soon(tag, number)
    await anyway(app, CancelDeletionRequest(unique_identifier=uid))
    await app.call(EnableCMKRequest(unique_identifier=uid))
    now = await described(app, uid)
    assert len(set(versions)) == len(versions) == now.version_count - 1
    assert [t.tag_key for t in now.tags] == sorted(tagged)
    for data, answer in encrypted:
        assert (await app.call(decrypting(answer))).data == data


async def test_a_deletion_that_comes_due_while_the_key_is_used_and_rotated(server: Server) -> None:
    app = server.caller(version=V2_1)
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    answers = [await app.call(encrypting(uid))]
    await rotated(app, uid)
    await app.call(ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=7))
    server.now += 7 * DAY
    refused: list[Any] = []

    async def ask(request: Any) -> None:
        refused.append(await app.refused(request))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(run_due, server.services, "acme")
            nursery.start_soon(ask, CancelDeletionRequest(unique_identifier=uid))
            nursery.start_soon(ask, decrypting(answers[0]))
            nursery.start_soon(ask, ReKeyRequest(unique_identifier=uid))
    assert set(refused) == {ResultReason.OBJECT_DESTROYED}
    for version in server.store.audit_after(0):
        assert version[1].result != "SUCCESS" or version[1].operation != "CANCEL_DELETION"
