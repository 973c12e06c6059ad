"""The epoch is asked for once in a round of the event loop, and each time where there is no loop."""

from __future__ import annotations

from pathlib import Path

import trio

from kmsd.storage import Store
from tests.storage.samples import aes_key
from tests.storage.test_store import insert, running, stored, update


async def test_one_question_a_round(tmp_path: Path) -> None:
    async with running(tmp_path / "kmsd.db") as store:
        key = aes_key()
        await insert(store, key)
        asked: list[int | None] = []
        ask = store._transactions.epoch

        def counted() -> int | None:
            asked.append(ask())
            return asked[-1]

        store._epoch._ask = counted
        await trio.lowlevel.checkpoint()
        for _ in range(3):
            assert store.get(key.tenant, key.uid) is not None
        assert len(asked) == 1
        await trio.lowlevel.checkpoint()
        assert store.get(key.tenant, key.uid) is not None
        assert len(asked) == 2


async def test_the_round_after_sees_what_others_committed(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    async with running(path) as ours, running(path) as theirs:
        key = aes_key().set("Lease Time", 0)
        await insert(ours, key)
        for turn in range(1, 6):
            assert stored(ours, key.uid).attributes.get("Lease Time") == turn - 1
            await update(theirs, stored(theirs, key.uid).set("Lease Time", turn))


def test_without_a_loop_each_question_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    with Store.open(path) as ours:
        key = aes_key()

        async def make() -> None:
            async with running(path) as theirs:
                await insert(theirs, key)

        assert ours.get(key.tenant, key.uid) is None
        trio.run(make)
        assert ours.get(key.tenant, key.uid) is not None


async def test_after_its_writer_has_ended_each_question_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "kmsd.db"
    with Store.open(path) as ours:
        async with trio.open_nursery() as nursery:
            await nursery.start(ours.run)
            key = aes_key()
            await insert(ours, key)
            assert ours.get(key.tenant, key.uid) is not None
            nursery.cancel_scope.cancel()
        with Store.open(path) as theirs:
            epoch = ours._epoch.now()
            theirs._connection.execute("UPDATE objects SET version = version + 1")
            assert ours._epoch.now() != epoch
