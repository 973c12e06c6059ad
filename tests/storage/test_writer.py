"""Group commit: durable, fair between processes, and no outcome is lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing

from kmsd.domain.locate import LocateQuery
from kmsd.storage import (
    ConflictError,
    DuplicateNameError,
    Store,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    UnitOfWork,
    transaction,
    writer,
)
from kmsd.storage.connection import FileLock
from kmsd.storage.rows import encode
from kmsd.storage.transaction import Unit
from protocol.attributes import Attribute
from tests.storage.samples import aes_key, name, record
from tests.storage.test_store import insert, running, stored

ROOT = Path(__file__).parents[2]


def start_writing(path: Path, prefix: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage.writing", str(path), prefix, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    with start_writing(path, "killed", 100_000) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split("\n")[:-1]
    assert process.returncode == -signal.SIGKILL
    with Store.open(path) as store:
        found = set(store.locate(LocateQuery("acme")))
        assert found >= set(acknowledged)
        assert len(acknowledged) >= 200
        # Objects and their records were stored together or not at all.
        assert {entry.uid for _, entry in store.audit_after(0, 1_000_000)} == found
        for uid in acknowledged:
            assert stored(store, uid).version == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_two_processes_write_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    with start_writing(path, "one", 200) as one, start_writing(path, "two", 200) as two:
        assert one.stdout is not None
        assert two.stdout is not None
        written = one.stdout.read().split() + two.stdout.read().split()
    assert (one.returncode, two.returncode) == (0, 0)
    with Store.open(path) as store:
        assert set(store.locate(LocateQuery("acme"))) == set(written)
        assert len(written) == 400
        assert [sequence for sequence, _ in store.audit_after(0)] == list(range(1, 401))


async def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        with closing(sqlite3.connect(tmp_path / "kmsd.db")) as watcher:
            (before,) = watcher.execute("PRAGMA data_version").fetchone()
            seen = set()
            async with trio.open_nursery() as nursery:
                for i in range(40):
                    nursery.start_soon(insert, store, aes_key(name(f"key-{i}")))
                while store.count(LocateQuery("acme")) < 40:
                    await trio.lowlevel.checkpoint()
                    seen.add(watcher.execute("PRAGMA data_version").fetchone()[0])
        assert 1 <= len(seen - {before}) <= 10


async def test_a_refused_unit_does_not_touch_its_neighbours(tmp_path: Path) -> None:
    refused = []

    async def attempt(store: Store, i: int) -> None:
        try:
            await insert(store, aes_key(name("same" if i % 2 else f"own-{i}")))
        except DuplicateNameError:
            refused.append(i)

    async with running(tmp_path / "kmsd.db") as store:
        async with trio.open_nursery() as nursery:
            for i in range(20):
                nursery.start_soon(attempt, store, i)
        assert len(refused) == 9
        assert store.count(LocateQuery("acme")) == 11


async def test_an_object_that_is_refused_leaves_no_kind_behind(tmp_path: Path) -> None:
    kinds = "SELECT count(*) FROM kinds"
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, aes_key(uid="one"))
        before = store._reader.execute(kinds).fetchone()
        with pytest.raises(ConflictError):
            await insert(store, aes_key(Attribute("Rotate Automatic", True), uid="one"))
        assert store._reader.execute(kinds).fetchone() == before


async def test_a_unit_that_breaks_fails_alone(tmp_path: Path) -> None:
    # A row that no check foresees: the database itself refuses the second.
    good = [Unit((encode(aes_key(name(f"good-{i}")), 1),), (), ()) for i in range(2)]
    broken = encode(aes_key(name("bad")), 1)
    broken = broken._replace(row=broken.row._replace(owner=None))  # type: ignore[arg-type]
    async with running(tmp_path / "kmsd.db") as store:
        outcomes: dict[str, Exception | None] = {}

        async def attempt(label: str, unit: Unit) -> None:
            try:
                await store._writer.commit(unit)
            except StoreError as error:
                outcomes[label] = error
            else:
                outcomes[label] = None

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, "first", good[0])
            nursery.start_soon(attempt, "broken", Unit((broken,), (), ()))
            nursery.start_soon(attempt, "second", good[1])
        assert outcomes.pop("broken") is not None
        assert outcomes == {"first": None, "second": None}
        assert store.count(LocateQuery("acme")) == 2
        await insert(store, aes_key(name("bad")))


async def test_a_full_disk_fails_what_does_not_fit_and_nothing_else(tmp_path: Path) -> None:
    small, large = aes_key(name("small")), aes_key(name("large"))
    assert large.material is not None
    large = replace(large, material=replace(large.material, blob=bytes(4_000_000)))
    async with running(tmp_path / "kmsd.db") as store:
        await insert(store, aes_key())
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count={pages + 100}").fetchall()
        failed = []

        async def attempt(key: object) -> None:
            try:
                await insert(store, key)  # type: ignore[arg-type]
            except StoreError as error:
                failed.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, small)
            nursery.start_soon(attempt, large)
        assert len(failed) == 1
        assert "full" in failed[0]
        assert store.get("acme", small.uid) == replace(small, version=1)
        assert store.get("acme", large.uid) is None
        await insert(store, aes_key())


async def test_a_commit_that_fails_fails_all_and_stores_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        # A deferred constraint is looked at by COMMIT only.
        store._connection.executescript(
            """
            CREATE TABLE doomed (object INTEGER REFERENCES objects (id) DEFERRABLE INITIALLY DEFERRED);
            CREATE TRIGGER doom AFTER INSERT ON objects WHEN NEW.owner = 'doomed'
            BEGIN INSERT INTO doomed VALUES (-1); END;
            """
        )
        failures = []

        async def attempt(owner: str) -> None:
            try:
                await insert(store, replace(aes_key(), owner=owner))
            except StoreError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            assert store._transactions.try_begin()
            for owner in ("fine", "doomed", "fine"):
                nursery.start_soon(attempt, owner)
            await trio.testing.wait_all_tasks_blocked()
            store._transactions._end("ROLLBACK")
        assert ["FOREIGN KEY" in str(error) for error in failures] == [True] * len(failures)
        assert 1 <= len(failures) <= 3
        assert len({id(error) for error in failures}) == len(failures)
        assert store.count(LocateQuery("acme")) == 3 - len(failures)
        await insert(store, aes_key())


async def test_a_cancelled_commit_still_says_what_became_of_it(tmp_path: Path) -> None:
    key = aes_key()
    scope = trio.CancelScope()
    returned = []

    async def commit(store: Store) -> None:
        with scope:
            await insert(store, key)
            returned.append(store.get("acme", key.uid))
            await trio.lowlevel.checkpoint()
            returned.append(None)

    async with running(tmp_path / "kmsd.db") as store:
        async with trio.open_nursery() as nursery:
            assert store._transactions.try_begin()
            nursery.start_soon(commit, store)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert returned == []
            store._transactions._end("ROLLBACK")
        assert scope.cancelled_caught
        assert returned == [replace(key, version=1)]


async def test_a_commit_cancelled_before_it_is_handed_over_stores_nothing(tmp_path: Path) -> None:
    key = aes_key()
    async with running(tmp_path / "kmsd.db") as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await insert(store, key)
        assert scope.cancelled_caught
        await insert(store, aes_key())
        assert store.get("acme", key.uid) is None


async def test_a_stopping_writer_commits_what_it_was_given(tmp_path: Path) -> None:
    keys = [aes_key() for _ in range(100)]
    with Store.open(tmp_path / "kmsd.db") as store:
        async with trio.open_nursery() as commits, trio.open_nursery() as nursery:
            await nursery.start(store.run)
            assert store._transactions.try_begin()
            for key in keys:
                commits.start_soon(insert, store, key)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            store._transactions._end("ROLLBACK")
        assert store.count(LocateQuery("acme")) == 100
        with pytest.raises(StoreClosedError):
            await insert(store, aes_key())


async def test_a_store_has_one_writer(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        with pytest.raises(RuntimeError, match="runs already"):
            await store.run()
        await insert(store, aes_key())


async def test_those_waiting_are_bounded_and_a_place_may_be_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WAITING_LIMIT", 3)
    async with running(tmp_path / "kmsd.db") as store:
        assert store._transactions.try_begin()
        given_up = aes_key()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(insert, store, aes_key())
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(6):
                nursery.start_soon(insert, store, aes_key())
            await trio.testing.wait_all_tasks_blocked()
            assert len(store._writer._waiting) == 3
            with trio.move_on_after(0.01) as scope:
                await insert(store, given_up)
            assert scope.cancelled_caught
            store._transactions._end("ROLLBACK")
        assert store.count(LocateQuery("acme")) == 7
        assert store.get("acme", given_up.uid) is None


async def test_a_process_that_holds_the_store_too_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "BUSY_SECONDS", 0.05)
    async with running(tmp_path / "kmsd.db") as store:
        with closing(FileLock(tmp_path / "kmsd.db")) as lock, lock.held(), pytest.raises(StoreBusyError):
            await insert(store, aes_key())
        await insert(store, aes_key())
        # Somebody else's transaction, without our lock.
        with closing(sqlite3.connect(tmp_path / "kmsd.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError):
                await insert(store, aes_key())
            other.execute("ROLLBACK")
        await insert(store, aes_key())
        assert store.count(LocateQuery("acme")) == 2


async def test_commits_in_threads_store_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(writer, "PROBE_GROUPS", 2)
    async with running(tmp_path / "kmsd.db") as store:
        for i in range(6):
            await insert(store, aes_key(name(f"key-{i}")))
        assert store.count(LocateQuery("acme")) == 6


async def test_the_log_is_brought_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 100)
    monkeypatch.setattr(writer, "MOST_BEHIND", 300)
    monkeypatch.setattr(writer, "LONGEST_LOG_PAGES", 20)
    path = tmp_path / "kmsd.db"
    async with running(path) as store:
        for _ in range(300):
            await store.commit(UnitOfWork([record() for _ in range(50)]))
        size = path.with_name("kmsd.db-wal").stat().st_size
        assert path.stat().st_size > 500_000
    # Without checkpoints 300 commits leave at least 300 pages of 4 KiB.
    assert size < 600_000


async def test_commits_wait_for_a_checkpoint_that_does_not_come_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 100)
    monkeypatch.setattr(writer, "MOST_BEHIND", 300)
    path = tmp_path / "kmsd.db"
    async with running(path) as store:
        # As where the thread beside never gets the processor.
        monkeypatch.setattr(store._checkpointer, "checkpoint_beside", trio.sleep_forever)
        for _ in range(300):
            await store.commit(UnitOfWork([record() for _ in range(50)]))
        assert path.with_name("kmsd.db-wal").stat().st_size < 600_000
