"""Scheduled deletion: the waiting time, what it refuses, how it is cancelled, and Destroy of a version."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import ResultReason
from protocol.operations.cancel_deletion import CancelDeletionRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.disable_cmk import DisableCMKRequest
from protocol.operations.enable_cmk import EnableCMKRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.set_deletion_protection import SetDeletionProtectionRequest
from protocol.versions import V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.keys import DAY, decrypting, described, encrypting, make
from tests.operations.requests import attributes, destroy
from tests.operations.test_create_cmk import with_rules


def schedule(uid: str, days: int = 7) -> ScheduleDeletionRequest:
    return ScheduleDeletionRequest(unique_identifier=uid, pending_window_days=days)


@pytest.mark.parametrize("days", [7, 8, 366])
async def test_a_key_is_unusable_at_once_and_has_its_date(app: Caller, days: int) -> None:
    app = app.at(V2_1)
    uid = (await make(app)).unique_identifier
    encrypted = await app.call(encrypting(uid))
    assert (await app.call(schedule(uid, days))).deletion_date == NOW + days * DAY
    now = await described(app, uid)
    assert (now.key_state, now.deletion_date) == ("PendingDeletion", NOW + days * DAY)
    for request in (encrypting(uid), decrypting(encrypted)):
        assert await app.refused(request) == ResultReason.WRONG_KEY_LIFECYCLE_STATE


@pytest.mark.parametrize("days", [6, 367, 0, -1])
async def test_no_other_waiting_time_is_taken(app: Caller, days: int) -> None:
    uid = (await make(app)).unique_identifier
    assert await app.refused(schedule(uid, days)) == ResultReason.INVALID_FIELD
    assert (await described(app, uid)).key_state == "Enabled"


@pytest.mark.parametrize("enabled_before", [True, False])
@pytest.mark.parametrize("cancelled_is_enabled", [True, False])
async def test_a_cancelled_deletion_leaves_the_key_as_the_tenant_chooses(
    server: Server, enabled_before: bool, cancelled_is_enabled: bool
) -> None:
    with_rules(server, cancelled_is_enabled=cancelled_is_enabled)
    app = server.caller()
    uid = (await make(app, alias_names=("alias/app",))).unique_identifier
    if not enabled_before:
        await app.call(DisableCMKRequest(unique_identifier=uid))
    await app.call(schedule(uid))
    await app.call(CancelDeletionRequest(unique_identifier=uid))
    now = await described(app, "alias/app")
    assert (now.key_state, now.deletion_date) == ("Enabled" if cancelled_is_enabled else "Disabled", None)


async def test_a_key_without_material_is_cancelled_into_pending_import(app: Caller) -> None:
    uid = (await make(app, key_origin="EXTERNAL")).unique_identifier
    await app.call(schedule(uid))
    assert (await described(app, uid)).key_state == "PendingDeletion"
    await app.call(CancelDeletionRequest(unique_identifier=uid))
    assert (await described(app, uid)).key_state == "PendingImport"


async def test_a_protected_key_is_not_scheduled(app: Caller) -> None:
    made = await make(app, deletion_protection=True, deletion_protection_description="backups")
    uid = made.unique_identifier
    assert await app.refused(schedule(uid)) == ResultReason.PERMISSION_DENIED
    off = SetDeletionProtectionRequest(unique_identifier=uid, deletion_protection=False)
    await app.call(off)
    now = await described(app, uid)
    assert (now.deletion_protection, now.deletion_protection_description) == (False, None)
    await app.call(schedule(uid))


async def test_after_its_date_a_key_is_gone_before_anybody_has_cleared_it_away(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    made = await make(app, alias_names=("alias/app",))
    uid = made.unique_identifier
    encrypted = await app.call(encrypting(uid))
    await app.call(schedule(uid))
    server.now += 7 * DAY - 1
    assert (await described(app, uid)).key_state == "PendingDeletion"
    server.now += 1
    for request in (
        DescribeCMKRequest(unique_identifier=uid),
        DescribeCMKRequest(unique_identifier="alias/app"),
        CancelDeletionRequest(unique_identifier=uid),
        EnableCMKRequest(unique_identifier=uid),
        encrypting("alias/app"),
        decrypting(encrypted),
    ):
        assert await app.refused(request) == ResultReason.OBJECT_DESTROYED


async def test_a_version_is_not_destroyed_by_itself(app: Caller) -> None:
    made = await make(app)
    for identifier in (made.primary_version, made.unique_identifier):
        assert await app.refused(destroy(identifier)) == ResultReason.PERMISSION_DENIED
    assert (await described(app, made.unique_identifier)).key_state == "Enabled"


async def test_where_the_tenant_chooses_so_destroy_schedules(server: Server) -> None:
    with_rules(server, destroy_window=30)
    app = server.caller(version=V2_1)
    made = await make(app, alias_names=("alias/app",))
    assert (await app.call(destroy(made.primary_version))).unique_identifier == made.primary_version
    now = await described(app, made.unique_identifier)
    assert (now.key_state, now.deletion_date) == ("PendingDeletion", NOW + 30 * DAY)
    assert (await app.call(attributes("alias/app"))).unique_identifier == made.primary_version
    assert await app.refused(destroy("alias/app")) == ResultReason.WRONG_KEY_LIFECYCLE_STATE
    protected: Any = await make(app, deletion_protection=True)
    assert await app.refused(destroy(protected.primary_version)) == ResultReason.PERMISSION_DENIED
