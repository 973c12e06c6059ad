"""What the store promises of single objects, names, records and tenants."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from kmsd.domain.errors import KmsError
from kmsd.domain.locate import LocateQuery
from kmsd.domain.objects import ManagedObject, Material
from kmsd.storage import (
    ConflictError,
    CorruptStoreError,
    DuplicateNameError,
    Store,
    StoreClosedError,
    TenantRow,
    UnitOfWork,
)
from protocol.attributes import Attribute
from protocol.enums import ResultReason, State
from tests.storage.samples import NOW, aes_key, custom, name, record


@asynccontextmanager
async def running(path: Path, cached_objects: int = 1000) -> AsyncIterator[Store]:
    with Store.open(path, cached_objects=cached_objects) as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            yield store
            nursery.cancel_scope.cancel()


async def insert(store: Store, *objects: ManagedObject) -> None:
    work = UnitOfWork()
    for obj in objects:
        work.insert(obj)
    await store.commit(work)


async def update(store: Store, *objects: ManagedObject) -> None:
    work = UnitOfWork()
    for obj in objects:
        work.update(obj)
    await store.commit(work)


def stored(store: Store, uid: str) -> ManagedObject:
    obj = store.get("acme", uid)
    assert obj is not None
    return obj


async def test_an_object_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    key = aes_key(name("app/key"), custom("x-team", "storage"), Attribute("Object Group", "g", index=3))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        assert stored(store, key.uid) == replace(key, version=1)
    with Store.open(tmp_path / "kmsd.db") as store:
        assert stored(store, key.uid) == replace(key, version=1)
        assert store.get("bank", key.uid) is None
        assert store.get("acme", "missing") is None


async def test_an_object_without_material_state_or_attributes_comes_back(tmp_path: Path) -> None:
    bare = replace(aes_key(), state=None, material=None).with_attributes(type(aes_key().attributes)())
    formless = replace(aes_key(), material=Material("resident", b""))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, bare, formless)
        assert stored(store, bare.uid) == replace(bare, version=1)
        assert stored(store, formless.uid) == replace(formless, version=1)


async def test_an_update_is_seen_and_raises_the_version(tmp_path: Path) -> None:
    key = aes_key(name("old"))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        changed = replace(stored(store, key.uid), state=State.ACTIVE)
        changed = changed.with_attributes(changed.attributes.put(name("new")))
        await update(store, changed)
        assert stored(store, key.uid) == replace(changed, version=2)
        assert store.locate(LocateQuery("acme", (name("old"),))) == []
        assert store.locate(LocateQuery("acme", (name("new"), Attribute("State", State.ACTIVE)))) == [key.uid]


async def test_an_update_of_an_old_version_is_refused(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        first = stored(store, key.uid)
        await update(store, first.set("Fresh", False))
        with pytest.raises(ConflictError):
            await update(store, first.set("Fresh", True))
        assert stored(store, key.uid).attributes.get("Fresh") is False


async def test_of_concurrent_updates_one_wins(tmp_path: Path) -> None:
    key = aes_key()
    outcomes: list[str] = []

    async def attempt(store: Store, length: int) -> None:
        try:
            await update(store, first.set("Cryptographic Length", length))
        except ConflictError:
            outcomes.append("conflict")
        else:
            outcomes.append("done")

    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        first = stored(store, key.uid)
        async with trio.open_nursery() as nursery:
            for length in range(10):
                nursery.start_soon(attempt, store, length)
        assert sorted(outcomes) == ["conflict"] * 9 + ["done"]
        assert stored(store, key.uid).version == 2


async def test_what_is_missing_or_another_tenant_s_cannot_be_updated(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        for other in (replace(key, version=1, tenant="bank"), replace(aes_key(), version=1)):
            with pytest.raises(ConflictError):
                await update(store, other)
        assert stored(store, key.uid).version == 1


async def test_an_identifier_is_unique_within_its_tenant(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        with pytest.raises(ConflictError):
            await insert(store, key.set("Cryptographic Length", 128))
        await insert(store, replace(key, tenant="bank").set("Cryptographic Length", 128))
        found = store.get("acme", key.uid), store.get("bank", key.uid)
        assert [obj.length for obj in found if obj is not None] == [256, 128]


async def test_the_holder_of_a_name_is_found_by_it(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        key = aes_key(name("disk"))
        await insert(store, key)
        assert store.holder(key.tenant, "disk") == key.uid
        assert store.holder(key.tenant, "tape") is None
        assert store.holder("another", "disk") is None


async def test_a_name_is_held_by_one_object_of_a_tenant(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, aes_key(name("shared"), tenant="acme"))
        await insert(store, aes_key(name("shared"), tenant="bank"))
        second = aes_key(name("shared"))
        with pytest.raises(DuplicateNameError) as refusal:
            await insert(store, second)
        assert isinstance(refusal.value, KmsError)
        assert refusal.value.reason == ResultReason.NON_UNIQUE_NAME_ATTRIBUTE
        assert store.get("acme", second.uid) is None
        with pytest.raises(DuplicateNameError):
            await insert(store, aes_key(name("pair")), aes_key(name("pair")))
        assert store.locate(LocateQuery("acme", (name("pair"),))) == []


async def test_a_destroyed_object_gives_its_name_back(tmp_path: Path) -> None:
    first, second = aes_key(name("again")), aes_key(name("again"))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, first)
        await update(store, replace(stored(store, first.uid), state=State.DESTROYED, material=None))
        await insert(store, second)
        assert store.locate(LocateQuery("acme", (name("again"),))) == [second.uid]


async def test_a_name_moves_between_objects_of_one_unit(tmp_path: Path) -> None:
    first, second = aes_key(name("a")), aes_key(name("b"))
    third = aes_key(name("a"))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, first, second)
        a, b = stored(store, first.uid), stored(store, second.uid)
        work = UnitOfWork()
        work.update(a.with_attributes(a.attributes.put(name("b"))))
        work.update(b.with_attributes(b.attributes.remove("Name")))
        work.insert(third)
        await store.commit(work)
        assert store.locate(LocateQuery("acme", (name("b"),))) == [first.uid]
        assert store.locate(LocateQuery("acme", (name("a"),))) == [third.uid]


async def test_a_refused_unit_leaves_nothing(tmp_path: Path) -> None:
    fresh = aes_key(name("fresh"))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, aes_key(name("taken")))
        work = UnitOfWork([record("Create")])
        work.insert(fresh)
        work.insert(aes_key(name("taken")))
        with pytest.raises(DuplicateNameError):
            await store.commit(work)
        assert store.get("acme", fresh.uid) is None
        assert store.locate(LocateQuery("acme", (name("fresh"),))) == []
        assert store.audit_after(0) == []


async def test_changes_within_a_unit_become_one(tmp_path: Path) -> None:
    key = aes_key(name("once"))
    async with running(tmp_path / "kmsd.db") as store:
        work = UnitOfWork()
        assert not work
        work.insert(key)
        work.update(replace(key, state=State.ACTIVE))
        assert work.pending(key.uid) == replace(key, state=State.ACTIVE)
        assert work.pending("else") is None
        await store.commit(work)
        assert stored(store, key.uid) == replace(key, state=State.ACTIVE, version=1)
        work = UnitOfWork()
        work.update(stored(store, key.uid).set("Fresh", False))
        work.update(stored(store, key.uid).set("Lease Time", 1))
        await store.commit(work)
        assert stored(store, key.uid).attributes.get("Fresh") is True
        assert stored(store, key.uid).version == 2


def test_a_unit_refuses_versions_that_cannot_be() -> None:
    key = aes_key()
    work = UnitOfWork()
    with pytest.raises(ValueError, match="never stored"):
        work.update(key)
    with pytest.raises(ValueError, match="stored already"):
        work.insert(replace(key, version=1))
    work.update(replace(key, version=1))
    with pytest.raises(ValueError, match="two versions"):
        work.update(replace(key, version=2))


async def test_records_are_numbered_in_order_without_gaps(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        await store.commit(UnitOfWork([record("Get", "a"), record("Get", "b")]))
        await store.commit(UnitOfWork())
        work = UnitOfWork()
        work.audit(record("Create", "c"))
        work.insert(aes_key())
        await store.commit(work)
        assert store.audit_after(0) == [
            (1, record("Get", "a")),
            (2, record("Get", "b")),
            (3, record("Create", "c")),
        ]
        assert store.audit_after(1, most=1) == [(2, record("Get", "b"))]


def test_the_first_key_of_a_tenant_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kmsd.db") as one, Store.open(tmp_path / "kmsd.db") as two:
        assert one.load_tenant("acme") is None
        mine = TenantRow("acme", "root-1", b"mine")
        assert one.save_tenant(mine) == mine
        assert two.save_tenant(TenantRow("acme", "root-1", b"theirs")) == mine
        assert two.load_tenant("acme") == mine


async def test_another_store_s_commit_is_seen_by_the_next_read(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as one, running(tmp_path / "kmsd.db") as two:
        await insert(one, key)
        for turn in range(5):
            writer, reader = (one, two) if turn % 2 else (two, one)
            before = stored(reader, key.uid)
            assert stored(reader, key.uid) is before
            await update(writer, stored(writer, key.uid).set("Lease Time", turn))
            assert stored(reader, key.uid).attributes.get("Lease Time") == turn
            assert stored(writer, key.uid).attributes.get("Lease Time") == turn


async def test_a_cached_copy_outlives_commits_to_other_objects(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        copy = stored(store, key.uid)
        await insert(store, aes_key())
        assert stored(store, key.uid) is copy


async def test_a_search_uses_a_cached_copy_of_the_same_version_only(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as one, running(tmp_path / "kmsd.db") as two:
        await insert(one, key)
        copy = stored(one, key.uid)
        seen: list[ManagedObject] = []
        assert one.locate(LocateQuery("acme"), lambda obj: not seen.append(obj)) == [key.uid]
        assert seen == [copy]
        assert seen[0] is copy
        await update(two, stored(two, key.uid).set("Lease Time", 7))
        assert one.locate(LocateQuery("acme"), lambda obj: obj.attributes.get("Lease Time") == 7) == [key.uid]


async def test_objects_whose_date_has_come_are_overdue_until_they_are_stored_so(tmp_path: Path) -> None:
    waiting = aes_key(Attribute("Activation Date", NOW + 10), Attribute("Deactivation Date", NOW + 20))
    later = aes_key(Attribute("Activation Date", NOW + 100))
    never = aes_key()
    elsewhere = aes_key(Attribute("Activation Date", NOW), tenant="bank")
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, waiting, later, never, elsewhere)
        assert store.overdue("acme", NOW + 9) == []
        assert store.overdue("acme", NOW + 10) == [replace(waiting, version=1)]
        await update(store, replace(stored(store, waiting.uid), state=State.ACTIVE))
        assert store.overdue("acme", NOW + 19) == []
        assert [obj.uid for obj in store.overdue("acme", NOW + 200)] == [later.uid, waiting.uid]
        assert len(store.overdue("acme", NOW + 200, most=1)) == 1
        await update(store, replace(stored(store, waiting.uid), state=State.DEACTIVATED))
        assert [obj.uid for obj in store.overdue("acme", NOW + 200)] == [later.uid]


@pytest.mark.parametrize("limit", [0, 2])
async def test_the_cache_is_bounded(tmp_path: Path, limit: int) -> None:
    keys = [aes_key() for _ in range(5)]
    large = replace(aes_key(), material=Material("sealed", bytes(100_000)))
    async with running(tmp_path / "kmsd.db", cached_objects=limit) as store:
        await insert(store, *keys, large)
        for key in keys:
            assert stored(store, key.uid) == replace(key, version=1)
            assert stored(store, large.uid).material == large.material
        assert len(store._cache) == limit
        assert (stored(store, keys[-1].uid) is stored(store, keys[-1].uid)) is (limit > 0)
        assert stored(store, large.uid) is not stored(store, large.uid)


def test_only_the_owner_may_read_a_new_store(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Store.open(tmp_path / "kmsd.db"):
            files = sorted(tmp_path.iterdir())
            assert {path.name for path in files} >= {"kmsd.db", "kmsd.db-lock", "kmsd.db-wal"}
            assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    finally:
        os.umask(before)


async def test_without_a_writer_a_commit_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kmsd.db") as store, pytest.raises(StoreClosedError):
        await insert(store, aes_key())
    async with running(tmp_path / "other.db") as store:
        pass
    with pytest.raises(StoreClosedError):
        await store.commit(UnitOfWork([record()]))


TAMPERED = {
    "attributes cut": "attributes = substr(attributes, 1, 50)",
    "attributes empty, date gone": "attributes = x''",
    "attributes as text": "attributes = 'nothing'",
    "unknown state": "state = 99",
    "state that contradicts the storage": "state = 5",
    "unknown object type": "object_type = 99",
    "unknown protection": "protection = 'NONE'",
    "other date": "created = created + 1",
    "material without a kind": "material_kind = NULL",
    "unknown kind": "material_kind = 'plain'",
    "kind without material": "material = NULL",
    "version that is none": "version = 0",
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
async def test_an_altered_row_is_an_error_not_an_object(tmp_path: Path, change: str) -> None:
    key = aes_key(name("victim"), created=NOW)
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        with closing(sqlite3.connect(tmp_path / "kmsd.db")) as connection, connection:
            connection.execute(f"UPDATE objects SET {change}")
        with pytest.raises(CorruptStoreError, match=key.uid):
            store.get("acme", key.uid)
        with pytest.raises(CorruptStoreError, match=key.uid):
            store.locate(LocateQuery("acme", storage_status_mask=None), lambda _: True)


async def test_an_attribute_that_no_version_knows_is_not_dropped_in_silence(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        with pytest.raises(ValueError, match="Strength"):
            await insert(store, aes_key(Attribute("Strength", 5)))
