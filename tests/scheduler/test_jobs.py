"""What the clock does: rotation, deletion, expiry, states; once, late where it must be, and on one node."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from kmsd.domain import cmk as cmks
from kmsd.domain import key_changes
from kmsd.domain.records import AuditRecord
from kmsd.scheduler.jobs import SCHEDULER, due, run_due
from kmsd.scheduler.runner import Scheduler
from kmsd.storage.work import UnitOfWork
from protocol.attributes import Attribute
from protocol.enums import ResultReason, RevocationReasonCode, State, StorageStatusMask
from protocol.operations.cancel_deletion import CancelDeletionRequest
from protocol.operations.create_cmk import CreateCMKRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.list_aliases import ListAliasesRequest
from protocol.operations.list_cmks import ListCMKsRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest
from protocol.versions import V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.importing import wrapped
from tests.operations.keys import DAY, decrypting, described, encrypting, make, rotated
from tests.operations.requests import attributes, create, revoke, shown

EVERYWHERE = LocateRequest(storage_status_mask=StorageStatusMask(7))


async def run(server: Server) -> int:
    return await run_due(server.services, "acme")


def audited(server: Server) -> list[AuditRecord]:
    return [record for _, record in server.store.audit_after(0) if record.client == SCHEDULER]


async def test_a_key_is_rotated_when_its_interval_has_passed(app: Caller, server: Server) -> None:
    made = await make(app, rotate_automatic=True, rotate_interval=7 * DAY)
    uid = made.unique_identifier
    before = await app.call(encrypting(uid))
    server.now += 7 * DAY - 1
    assert await run(server) == 0
    server.now += 1
    assert await run(server) == 1
    assert await run(server) == 0
    now = await described(app, uid)
    assert (now.version_count, now.rotate_date) == (2, NOW + 7 * DAY)
    assert now.next_rotation_date == NOW + 14 * DAY
    assert (await app.call(encrypting(uid))).unique_identifier == now.primary_version != made.primary_version
    assert (await app.call(decrypting(before))).data == b"plain"
    [record] = audited(server)
    assert (record.operation, record.uid, record.result) == ("ROTATE_CMK", uid, "SUCCESS")


async def test_after_a_long_time_without_a_scheduler_one_rotation_is_made(app: Caller, server: Server) -> None:
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    server.now += 100 * DAY
    assert await run(server) == 1
    now = await described(app, uid)
    assert (now.version_count, now.next_rotation_date) == (2, NOW + 107 * DAY)


async def test_a_rotation_on_demand_begins_the_interval_anew(app: Caller, server: Server) -> None:
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    server.now += 6 * DAY
    await rotated(app, uid)
    server.now += DAY
    assert await run(server) == 0
    server.now += 6 * DAY
    assert await run(server) == 1


async def test_rotation_is_suspended_while_the_key_is_not_enabled(app: Caller, server: Server) -> None:
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    await app.call(DisableCMKRequest(unique_identifier=uid))
    server.now += 30 * DAY
    assert (await described(app, uid)).rotation_state == "Suspended"
    assert await run(server) == 0
    await app.call(EnableCMKRequest(unique_identifier=uid))
    assert await run(server) == 1
    await app.call(ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=20))
    server.now += 10 * DAY
    assert await run(server) == 0
    await app.call(CancelDeletionRequest(unique_identifier=uid))
    assert await run(server) == 1
    await app.call(UpdateRotationPolicyRequest(unique_identifier=uid, rotate_automatic=False))
    server.now += 30 * DAY
    assert await run(server) == 0


async def test_at_its_date_a_key_is_destroyed_with_all_its_versions(app: Caller, server: Server) -> None:
    await _delete(app, server, "SOFTWARE")


async def test_at_its_date_an_hsm_key_is_destroyed_with_all_its_versions(hsm_server: Server) -> None:
    await _delete(hsm_server.caller(), hsm_server, "HSM")


async def _delete(app: Caller, server: Server, level: str) -> None:
    app = app.at(V2_1)
    made = await make(app, alias_names=("alias/app",), key_protection=level)
    uid = made.unique_identifier
    encrypted = await app.call(encrypting(uid))
    await rotated(app, uid)
    other = await make(app, key_protection=level)
    await app.call(ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=7))
    server.now += 7 * DAY
    assert await run(server) == 1
    assert await run(server) == 0
    versions = (await app.call(EVERYWHERE)).unique_identifiers
    assert len(versions) == 3
    for version in set(versions) - {other.primary_version}:
        seen = shown(await app.call(attributes(version)))
        assert (seen["State"], seen["Destroy Date"]) == (State.DESTROYED, NOW + 7 * DAY)
        kept = server.store.get("acme", version)
        assert kept is not None
        assert kept.material is None
    assert await app.refused(decrypting(encrypted)) == ResultReason.OBJECT_DESTROYED
    assert await app.refused(DescribeCMKRequest(unique_identifier=uid)) == ResultReason.OBJECT_DESTROYED
    assert (await app.call(ListCMKsRequest())).located_items == 1
    # Its aliases are free again, and name no other key by themselves.
    assert (await app.call(ListAliasesRequest())).located_items == 0
    assert await app.refused(encrypting("alias/app")) == ResultReason.OBJECT_NOT_FOUND
    await app.call(CreateCMKRequest(alias_names=("alias/app",)))
    [record] = audited(server)
    assert (record.operation, record.uid, record.result) == ("DELETE_CMK", uid, "SUCCESS")
    tombstone = server.store.get("acme", uid)
    assert tombstone is not None
    assert cmks.from_object(tombstone).destroyed == NOW + 7 * DAY


async def test_a_pair_and_a_compromised_version_are_destroyed_too(app: Caller, server: Server) -> None:
    made = await make(app, key_spec="EC_P256")
    await app.call(revoke(made.primary_version, RevocationReasonCode.KEY_COMPROMISE))
    await rotated(app, made.unique_identifier)
    await app.call(ScheduleDeletionRequest(unique_identifier=made.unique_identifier, pending_window_days=7))
    server.now += 7 * DAY
    assert await run(server) == 1
    states = [
        shown(await app.call(attributes(uid)))["State"] for uid in (await app.call(EVERYWHERE)).unique_identifiers
    ]
    assert sorted(states) == [State.DESTROYED] * 3 + [State.DESTROYED_COMPROMISED]


async def test_a_cancelled_deletion_is_not_carried_out(app: Caller, server: Server) -> None:
    uid = (await make(app)).unique_identifier
    await app.call(ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=7))
    server.now += 7 * DAY - 1
    await app.call(CancelDeletionRequest(unique_identifier=uid))
    server.now += 2
    assert await run(server) == 0
    await app.call(encrypting(uid))


async def test_imported_material_is_destroyed_at_its_expiry_and_the_version_stays(app: Caller, server: Server) -> None:
    """As import leaves it: a version with material, and a record that says until when."""
    app = app.at(V2_1)
    made = await make(app, alias_names=("alias/app",))
    encrypted = await app.call(encrypting("alias/app"))
    record = server.store.get("acme", made.unique_identifier)
    assert record is not None
    empty = replace(cmks.from_object(record), origin=cmks.Origin.EXTERNAL)
    work = UnitOfWork()
    imported = key_changes.imported(empty, made.primary_version or "", b"d" * 32, NOW + DAY, NOW)
    work.update(cmks.to_object(imported))
    await server.store.commit(work)
    assert (await app.call(decrypting(encrypted))).data == b"plain"
    server.now += DAY
    assert await app.refused(decrypting(encrypted)) == ResultReason.KEY_VALUE_NOT_PRESENT
    assert await run(server) == 1
    assert await run(server) == 0
    now = await described(app, "alias/app")
    assert (now.key_state, now.primary_version, now.material_expire_time) == (
        "PendingImport",
        made.primary_version,
        None,
    )
    seen = shown(await app.call(attributes("alias/app")))
    assert (seen["State"], seen["Key Value Present"]) == (State.PRE_ACTIVE, False)
    assert await app.refused(decrypting(encrypted)) == ResultReason.KEY_VALUE_NOT_PRESENT
    assert [record.operation for record in audited(server)] == ["EXPIRE_KEY_MATERIAL"]


async def test_material_that_was_imported_expires_and_comes_back(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    uid = (await make(app, key_origin="EXTERNAL", alias_names=("alias/app",))).unique_identifier
    record = server.store.get("acme", uid)
    assert record is not None
    cmk = cmks.from_object(record)
    version = (await app.call(await wrapped(app, cmk, b"m" * 32, material_expire_time=NOW + DAY))).unique_identifier
    encrypted = await app.call(encrypting("alias/app"))
    server.now += DAY
    assert await run(server) == 1
    assert (await described(app, uid)).key_state == "PendingImport"
    kept = server.store.get("acme", version)
    assert kept is not None
    assert kept.material is None
    await app.call(await wrapped(app, cmk, b"m" * 32))
    assert (await app.call(decrypting(encrypted))).data == b"plain"
    assert (await described(app, uid)).material_expire_time is None
    assert await run(server) == 0


async def test_states_that_dates_change_are_stored(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    uid = (await app.call(create(Attribute("Activation Date", NOW + 10)))).unique_identifier
    server.now += 10
    await run(server)
    stored = server.store.get("acme", uid)
    assert stored is not None
    assert stored.state is State.ACTIVE


async def test_what_fails_is_audited_and_keeps_nothing_else_from_being_done(app: Caller, server: Server) -> None:
    first = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    second = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    primary = (await described(app, first)).primary_version or ""
    spoiled = server.store.get("acme", primary)
    assert spoiled is not None
    work = UnitOfWork()
    work.update(replace(spoiled, material=None))
    await server.store.commit(work)
    server.now += 7 * DAY
    assert await run(server) == 1
    assert (await described(app, second)).version_count == 2
    assert {(r.uid, r.result, r.reason) for r in audited(server)} == {
        (second, "SUCCESS", None),
        (first, "OPERATION_FAILED", "KEY_VALUE_NOT_PRESENT"),
    }
    assert due(server.services, "acme", int(server.now)) == [first]


async def test_one_of_two_schedulers_leads_and_the_other_takes_over(
    app: Caller, server: Server, tmp_path: Path
) -> None:
    await make(app, rotate_automatic=True, rotate_interval=7 * DAY)
    first, second = (Scheduler(server.services, server.store.leadership()) for _ in range(2))
    assert await first.look() == 0
    server.now += 7 * DAY
    assert await second.look() == 0
    async with trio.open_nursery() as nursery:
        await nursery.start(first.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await make(server.caller("bank"), rotate_automatic=True, rotate_interval=7 * DAY)
    server.now += 7 * DAY
    assert await second.look() == 2


async def test_two_at_once_rotate_once(app: Caller, server: Server) -> None:
    """Should two nodes ever take themselves for the leader, the store still lets one of them win."""
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    server.now += 7 * DAY
    done: list[Any] = []

    async def look() -> None:
        done.append(await run(server))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(look)
    assert sum(done) == 1
    assert (await described(app, uid)).version_count == 2


@pytest.mark.parametrize("tenant", ["acme", "bank"])
async def test_the_loop_serves_every_tenant(server: Server, tenant: str) -> None:
    app = server.caller(tenant)
    uid = (await make(app, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    server.now += 8 * DAY
    assert await Scheduler(server.services, server.store.leadership()).look() == 1
    assert (await described(app, uid)).version_count == 2


async def test_one_tenants_trouble_is_logged_with_its_traceback_and_the_others_are_served(server: Server) -> None:
    bank = server.caller("bank")
    uid = (await make(bank, rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    acme = (await make(server.caller(), rotate_automatic=True, rotate_interval=7 * DAY)).unique_identifier
    with closing(sqlite3.connect(server.store._path)) as connection, connection:
        connection.execute("UPDATE objects SET attributes = x'00', version = version + 1 WHERE uid = ?", (acme,))
    server.now += 8 * DAY
    with structlog.testing.capture_logs() as logs:
        assert await Scheduler(server.services, server.store.leadership()).look() == 1
    assert (await described(bank, uid)).version_count == 2
    [entry] = [entry for entry in logs if entry["event"] == "not done"]
    assert entry["tenant"] == "acme"
    assert "Traceback" in entry["traceback"]
    assert "CorruptStoreError" in entry["traceback"]
