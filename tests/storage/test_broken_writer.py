"""Whatever breaks the writer, each of those who wait hears of it once, and others can go on."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
import trio

from kmsd.domain.locate import LocateQuery
from kmsd.storage import Store, StoreClosedError, StoreError, UnitOfWork, log_room, writer
from kmsd.storage.connection import FileLock
from tests.storage.samples import aes_key, record
from tests.storage.test_store import insert, running


async def test_a_store_that_cannot_be_locked_is_told_to_all_who_wait_and_tried_again(tmp_path: Path) -> None:
    failures = []

    async def attempt(store: Store) -> None:
        try:
            await insert(store, aes_key())
        except StoreError as error:
            failures.append(str(error))

    async with running(tmp_path / "kmsd.db") as store:
        descriptor = store._lock._descriptor
        # The system refuses to lock what is not open.
        store._lock._descriptor = -1
        async with trio.open_nursery() as nursery:
            for _ in range(3 * writer.GROUP_LIMIT):
                nursery.start_soon(attempt, store)
        store._lock._descriptor = descriptor
        assert len(failures) == 3 * writer.GROUP_LIMIT
        await insert(store, aes_key())
        assert store.count(LocateQuery("acme")) == 1


async def test_a_transaction_that_cannot_begin_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    async with running(path) as store:
        await insert(store, aes_key())
        connection = store._transactions._connection
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(b"no database" * 1000)
        with closing(sqlite3.connect(damaged, isolation_level=None)) as store._transactions._connection:
            with pytest.raises(StoreError, match="not a database"):
                await insert(store, aes_key())
            with closing(FileLock(path)) as other:
                assert other.try_acquire()
        store._transactions._connection = connection
        await insert(store, aes_key())


async def test_a_writer_that_breaks_while_it_stops_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_BEHIND", -1)
    stored_ones, refused = [], []

    async def attempt(store: Store) -> None:
        try:
            await store.commit(UnitOfWork([record()]))
        except StoreClosedError:
            refused.append(1)
        else:
            stored_ones.append(1)

    with Store.open(tmp_path / "kmsd.db") as store:
        # No checkpoint comes to its end, and one is due after each group.
        store._checkpointer.close()
        async with trio.open_nursery() as commits:
            with pytest.RaisesGroup(sqlite3.ProgrammingError, flatten_subgroups=True):
                async with trio.open_nursery() as nursery:
                    await nursery.start(store.run)
                    for _ in range(4 * writer.GROUP_LIMIT):
                        commits.start_soon(attempt, store)
        assert len(stored_ones) + len(refused) == 4 * writer.GROUP_LIMIT
        assert len(stored_ones) == len(store.audit_after(0))


@pytest.fixture
def full_disk() -> Iterator[io.FileIO]:
    """A file that takes nothing."""
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip(f"this system has no {path}")
    with path.open("wb", buffering=0) as file:
        yield file


async def test_a_warning_that_cannot_be_written_leaves_the_store_free(
    tmp_path: Path, full_disk: io.FileIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kmsd.db"
    logger = structlog.wrap_logger(structlog.BytesLogger(full_disk), processors=[lambda *_: b"no room"])
    monkeypatch.setattr(log_room, "log", logger)
    async with running(path) as store:
        # No room is made, and what says so goes to the same full disk.
        store._room._path = tmp_path / "nowhere"
        with pytest.raises(StoreError, match="No space left"):
            await insert(store, aes_key())
        with closing(FileLock(path)) as other:
            assert other.try_acquire()
        store._room._path = path.with_name(path.name + "-wal")
        await insert(store, aes_key())
        assert store.count(LocateQuery("acme")) == 1
