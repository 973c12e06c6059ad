"""Archive and Recover: an archived object shows its attributes, and nothing else until it is recovered."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import ResultReason, StorageStatusMask
from protocol.operations.archive import ArchiveRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.recover import RecoverRequest
from protocol.versions import SUPPORTED
from tests.operations.conftest import NOW, Caller
from tests.operations.requests import activate, attributes, create, destroy, get, shown


@pytest.mark.parametrize("version", SUPPORTED)
async def test_an_archived_object_is_off_line_until_it_is_recovered(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(create())).unique_identifier
    assert (await app.call(ArchiveRequest(unique_identifier=uid))).unique_identifier == uid
    for request in (get(uid), activate(uid), ArchiveRequest(unique_identifier=uid)):
        assert await app.refused(request) == ResultReason.OBJECT_ARCHIVED
    assert shown(await app.call(attributes(uid)))["Archive Date"] == NOW
    assert (await app.call(LocateRequest())).unique_identifiers == ()
    archived = LocateRequest(storage_status_mask=StorageStatusMask.ARCHIVAL_STORAGE)
    assert (await app.call(archived)).unique_identifiers == (uid,)

    assert (await app.call(RecoverRequest(unique_identifier=uid))).unique_identifier == uid
    assert "Archive Date" not in shown(await app.call(attributes(uid)))
    assert await app.call(get(uid))


async def test_recovering_what_is_on_line_changes_nothing(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    before = shown(await app.call(attributes(uid)))
    await app.call(RecoverRequest(unique_identifier=uid))
    assert shown(await app.call(attributes(uid))) == before


async def test_a_destroyed_object_is_not_archived(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    await app.call(destroy(uid))
    assert await app.refused(ArchiveRequest(unique_identifier=uid)) == ResultReason.PERMISSION_DENIED
