"""A start on a restored copy of the store takes no key from the token that may still be needed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from kmsd.crypto.hsm.provider import HsmProvider
from kmsd.domain import lifecycle
from kmsd.domain.cmk import Cmk
from kmsd.domain.objects import ManagedObject
from kmsd.operations import orphans
from kmsd.operations.context import reference
from kmsd.operations.orphans import Finding, Verdict
from kmsd.storage.store import Store
from kmsd.storage.work import UnitOfWork
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest
from protocol.operations.encrypt import EncryptRequest
from tests.operations import cmks
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.test_orphans import (
    app,
    at_start,
    bring,
    imported,
    key_id,
    look,
    made,
    on_token,
    primary,
    resident,
)

__all__ = ["app", "resident"]


def copy(server: Server, path: Path) -> Path:
    """A backup of the store as it is now."""
    with closing(sqlite3.connect(server.store._path)) as store, closing(sqlite3.connect(path)) as backup:
        store.backup(backup)
    return path


def start_on(path: Path, server: Server) -> list[Any]:
    with Store.open(path) as restored, structlog.testing.capture_logs() as logged:
        orphans.check_at_start(restored, server.services.tenants, server.now, alone=True)
    return logged


async def commit(server: Server, key: ManagedObject) -> None:
    work = UnitOfWork()
    work.update(key)
    await server.store.commit(work)


async def renewed(app: Caller, cmk: Cmk, seconds: int) -> bytes:
    """Material that is deleted and comes back; its CKA_ID."""
    app.server.now += seconds
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    app.server.now += seconds
    await app.call(await bring(app, cmk))
    return key_id(primary(app.server, cmks.read(app.server, cmk)))


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_start_on_an_older_copy_takes_nothing_from_the_token(
    app: Caller, server: Server, resident: HsmProvider, tmp_path: Path, seconds: int
) -> None:
    """The copy names the material from before it was deleted and imported again."""
    cmk = await imported(app)
    before = copy(server, tmp_path / "backup.db")
    key = await renewed(app, cmk, seconds)
    [line] = start_on(before, server)
    assert (line["orphan"], line["missing"]) == (1, 1)
    assert on_token(resident) == {key}
    assert at_start(server) == []
    await app.call(EncryptRequest(unique_identifier=cmk.uid, data=b"text"))


@pytest.mark.parametrize("seconds", [0, 60])
async def test_nor_does_one_from_when_the_material_was_deleted(
    app: Caller, server: Server, resident: HsmProvider, tmp_path: Path, seconds: int
) -> None:
    cmk = await imported(app)
    server.now += seconds
    await app.call(DeleteKeyMaterialRequest(unique_identifier=cmk.uid))
    between = copy(server, tmp_path / "backup.db")
    server.now += seconds
    await app.call(await bring(app, cmk))
    [line] = start_on(between, server)
    assert line["keys"] == [f"orphan {key_id(primary(server, cmks.read(server, cmk))).decode()}"]
    assert len(on_token(resident)) == 1


async def test_what_is_older_than_its_row_is_kept_where_the_rows_own_key_is_missing(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    key = await made(app)
    second = resident.generate(reference(key)).material.blob
    await commit(server, key.set("Last Change Date", NOW + 60))
    assert look(server, resident) == [Finding("acme", Verdict.REMNANT, key.uid, second, NOW)]
    resident.discard("acme", key_id(key))
    assert [finding.verdict for finding in look(server, resident)] == [Verdict.ORPHAN, Verdict.MISSING]
    at_start(server)
    assert on_token(resident) == {second}


@pytest.mark.parametrize(("later", "verdict"), [(0, Verdict.REMNANT), (1, Verdict.ORPHAN)])
async def test_a_key_that_was_made_after_its_object_was_destroyed_is_kept(
    app: Caller, server: Server, resident: HsmProvider, later: int, verdict: Verdict
) -> None:
    key = await made(app)
    await commit(server, lifecycle.destroy(key, NOW))
    resident.discard("acme", key_id(key))
    server.now += later
    second = resident.generate(reference(key)).material.blob
    assert look(server, resident) == [Finding("acme", verdict, key.uid, second, NOW + later)]
    at_start(server)
    assert on_token(resident) == ({second} if verdict is Verdict.ORPHAN else set())


async def test_a_key_that_does_not_say_when_it_was_made_goes_only_with_its_object(
    app: Caller, server: Server, resident: HsmProvider
) -> None:
    key = await made(app)
    second = resident.generate(reference(key)).material.blob
    row = key.set("Last Change Date", NOW + 60)
    await commit(server, row)
    found = resident.holdings()
    bare = found._replace(resident=tuple(each._replace(made=None) for each in found.resident))
    before = orphans.rows(server.store, server.services.tenants)
    [kept] = orphans.compare(server.store, before, bare, orphans.NOBODY)
    assert kept == Finding("acme", Verdict.ORPHAN, key.uid, second, None)
    await commit(server, lifecycle.destroy(replace(row, version=row.version + 1), NOW + 60))
    gone = orphans.compare(server.store, before, bare, orphans.NOBODY)
    assert {finding.verdict for finding in gone} == {Verdict.REMNANT}
