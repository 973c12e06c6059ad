"""A process that writes until it is killed: `python -m tests.storage.writing STORE PREFIX COUNT`.

Prints the Unique Identifier of each object once its commit has returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from kmsd.storage import Store, UnitOfWork
from tests.storage.samples import aes_key, name, record


async def main(path: str, prefix: str, count: int) -> None:
    with Store.open(Path(path)) as store:

        async def write(task: int) -> None:
            for i in range(task, count, 4):
                key = aes_key(name(f"{prefix}-{i}"))
                work = UnitOfWork([record("Create", key.uid)])
                work.insert(key)
                await store.commit(work)
                print(key.uid, flush=True)

        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            async with trio.open_nursery() as writers:
                for task in range(4):
                    writers.start_soon(write, task)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
