"""What is read from memory is what is stored, whoever has changed it, and however the commit was made."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from kmsd.domain.objects import ManagedObject
from kmsd.storage import ConflictError, Store, UnitOfWork, writer
from kmsd.storage.errors import StoreError
from tests.storage.samples import aes_key
from tests.storage.test_store import insert, running, stored, update


def turn_of(obj: ManagedObject) -> int:
    turn: int = obj.attributes.get("Lease Time")
    return turn


@pytest.fixture(params=["on the event loop", "in a thread"])
def commits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    where: str = request.param
    # A disk is never quick enough, or always.
    monkeypatch.setattr(writer, "QUICK_SECONDS", -1.0 if where == "in a thread" else 3600.0)
    return where


async def test_what_was_acknowledged_is_what_is_read(tmp_path: Path, commits: str) -> None:
    keys = [aes_key().set("Lease Time", 0) for _ in range(4)]
    acknowledged = dict.fromkeys((key.uid for key in keys), 0)
    done = trio.Event()

    async def change(store: Store, uid: str) -> None:
        for turn in range(1, 40):
            await update(store, stored(store, uid).set("Lease Time", turn))
            acknowledged[uid] = turn
            assert turn_of(stored(store, uid)) == turn

    async def read(store: Store) -> None:
        seen = dict(acknowledged)
        while not done.is_set():
            for uid in list(seen):
                least = max(seen[uid], acknowledged[uid])
                seen[uid] = turn_of(stored(store, uid))
                assert seen[uid] >= least
            await trio.lowlevel.checkpoint()

    async with running(tmp_path / "kmsd.db") as store, trio.open_nursery() as readers:
        await insert(store, *keys)
        readers.start_soon(read, store)
        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(change, store, key.uid)
        done.set()


async def test_what_was_missing_is_there_once_it_is_made(tmp_path: Path, commits: str) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        for _ in range(10):
            key = aes_key()
            assert store.get("acme", key.uid) is None
            assert store.get("acme", key.uid) is None
            await insert(store, key)
            assert stored(store, key.uid).uid == key.uid


async def test_what_is_missing_is_asked_of_the_store_once(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        assert store.get("acme", "nobody") is None
        asked: list[str] = []
        store._reader.set_trace_callback(asked.append)
        await insert(store, aes_key())
        assert store.get("acme", "nobody") is None
        assert asked == []


async def test_an_own_commit_to_others_costs_no_look_at_the_store(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, key)
        copy = stored(store, key.uid)
        asked: list[str] = []
        store._reader.set_trace_callback(asked.append)
        await insert(store, aes_key())
        assert stored(store, key.uid) is copy
        assert asked == []


async def test_what_is_read_while_a_broken_group_is_tried_again_one_by_one_is_no_older(tmp_path: Path) -> None:
    key = aes_key().set("Lease Time", 0)
    async with running(tmp_path / "kmsd.db") as store, trio.open_nursery() as nursery:
        await insert(store, key)
        results: list[str] = []

        async def commit(work: UnitOfWork) -> None:
            try:
                await store.commit(work)
                results.append("stored")
            except StoreError:
                results.append("refused")

        # A row that the table does not take breaks its group, and is found by itself.
        store._connection.execute(
            "CREATE TEMP TRIGGER doom BEFORE INSERT ON objects WHEN NEW.uid = 'doomed'"
            " BEGIN SELECT RAISE(ABORT, 'doomed'); END"
        )
        doomed, change = UnitOfWork(), UnitOfWork()
        doomed.insert(aes_key(uid="doomed"))
        change.update(stored(store, key.uid).set("Lease Time", 5))
        nursery.start_soon(commit, doomed)
        nursery.start_soon(commit, change)
        while len(results) < 2:
            stored(store, key.uid)
            await trio.lowlevel.checkpoint()
        assert sorted(results) == ["refused", "stored"]
        assert turn_of(stored(store, key.uid)) == 5


async def test_an_old_copy_changes_nothing_after_a_commit_by_another(tmp_path: Path, commits: str) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as one, running(tmp_path / "kmsd.db") as two:
        await insert(one, key)
        old = stored(one, key.uid)
        await update(two, stored(two, key.uid).set("Lease Time", 1))
        with pytest.raises(ConflictError):
            await update(one, old.set("Lease Time", 2))
        assert turn_of(stored(one, key.uid)) == 1


async def test_what_another_process_sees_is_read_here_before_the_commit_is_acknowledged(
    tmp_path: Path, commits: str
) -> None:
    path = tmp_path / "kmsd.db"
    key = aes_key()
    older = []
    chance = random.Random(1)

    class Reader(trio.abc.Instrument):
        """Reads where a task of the event loop could, before and after the steps of others; not always, for each look
        has the copy checked."""

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            if chance.random() < 0.6:
                return
            (seen,) = elsewhere.execute("SELECT version FROM objects").fetchone()
            found = stored(store, key.uid).version
            if found < seen:
                older.append((found, seen))

        after_task_step = before_task_step

    async with running(path) as store:
        await insert(store, key)
        with closing(sqlite3.connect(path)) as elsewhere:
            reader = Reader()
            trio.lowlevel.add_instrument(reader)
            for turn in range(1, 200):
                await update(store, stored(store, key.uid).set("Lease Time", turn))
            trio.lowlevel.remove_instrument(reader)
        assert stored(store, key.uid).version == 200
    assert older == []
