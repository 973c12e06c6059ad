"""The write-ahead log is made longer before commits need it, and holds nothing but commits."""

from __future__ import annotations

import shutil
from pathlib import Path

from structlog.testing import capture_logs

from kmsd.storage import Store, UnitOfWork
from kmsd.storage.log_room import LEAST, MOST, LogRoom
from tests.storage.samples import aes_key, record
from tests.storage.test_store import insert, running

FRAME = 24 + 4096


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


async def test_few_commits_make_the_log_longer(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    sizes = set()
    async with running(path) as store:
        for _ in range(400):
            await store.commit(UnitOfWork([record() for _ in range(20)]))
            sizes.add(log_of(path).stat().st_size)
        _, frames, _ = store._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert frames > 400
    assert len(sizes) < 16
    assert frames * FRAME < max(sizes) < frames * FRAME + 32 + MOST


async def test_room_is_as_much_as_there_is_already(tmp_path: Path) -> None:
    path = tmp_path / "log"
    room = LogRoom(path)
    log_of(path).touch()
    try:
        for size, after in ((0, LEAST), (2 * LEAST, 4 * LEAST), (5 * MOST, 6 * MOST)):
            with log_of(path).open("wb") as file:
                file.write(b"\1" * size)
            room.make()
            room.make()
            assert log_of(path).stat().st_size == after
    finally:
        room.close()


async def test_two_who_write_by_turns_make_room_for_both(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    async with running(path) as one, running(path) as other:
        for _ in range(40):
            for store in (one, other):
                await store.commit(UnitOfWork([record() for _ in range(20)]))
        _, frames, _ = one._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        size = log_of(path).stat().st_size
    assert frames > 80
    assert frames * FRAME < size < 2 * frames * FRAME + 32 + LEAST


async def test_what_a_crash_leaves_has_all_commits(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    keys = [aes_key() for _ in range(30)]
    with_room = 0
    async with running(path) as store:
        for number, key in enumerate(keys):
            await insert(store, key)
            image = tmp_path / f"image-{number}" / path.name
            image.parent.mkdir()
            for file in (path, log_of(path)):
                shutil.copy(file, image.with_name(file.name))
            with_room += not any(log_of(image).read_bytes()[-4096:])
    assert with_room > 15
    for number in range(len(keys)):
        with Store.open(tmp_path / f"image-{number}" / path.name) as store:
            found = [store.get(key.tenant, key.uid) is not None for key in keys]
        assert found == [position <= number for position in range(len(keys))]


def test_without_room_commits_go_on(tmp_path: Path) -> None:
    room = LogRoom(tmp_path / "nowhere" / "kmsd.db")
    with capture_logs() as logs:
        room.make()
    assert [entry["event"] for entry in logs] == ["no room made in the write-ahead log"]
    room.close()
