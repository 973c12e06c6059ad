"""What the store costs: `python -m tests.bench.store`. Prints figures, asserts nothing.

Compare the columns with each other rather than with other machines: the disk decides.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import trio

from kmsd.domain.locate import LocateQuery
from kmsd.domain.terms import terms
from kmsd.storage import Store, UnitOfWork
from kmsd.storage.rows import encode
from protocol.attributes import Attribute
from protocol.enums import CryptographicAlgorithm, ObjectType, State
from tests.storage.samples import aes_key, name, record

SECONDS = 1.5


def microseconds(call: Callable[[], object], times: int = 2000) -> float:
    for _ in range(min(times, 50)):
        call()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter_ns()
        for _ in range(times):
            call()
        best = min(best, (time.perf_counter_ns() - start) / times / 1000)
    return best


async def load(store: Store, tasks: int, make: Callable[[int], UnitOfWork]) -> str:
    latencies: list[float] = []
    counter = iter(range(10**9))

    async def client(end: float) -> None:
        while time.perf_counter() < end:
            work = make(next(counter))
            start = time.perf_counter()
            await store.commit(work)
            latencies.append(time.perf_counter() - start)

    start, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(client, start + SECONDS)
    took, used = time.perf_counter() - start, time.process_time() - cpu
    latencies.sort()
    n = len(latencies)
    return (
        f"{n / took:7.0f}/s  p50 {latencies[n // 2] * 1e3:5.2f}  p99 {latencies[int(n * 0.99)] * 1e3:6.2f}"
        f"  worst {latencies[-1] * 1e3:6.2f} ms  cpu {used / n * 1e6:5.0f} us"
    )


def create(i: int) -> UnitOfWork:
    work = UnitOfWork([record("Create")])
    work.insert(aes_key(name(f"bench/{os.urandom(8).hex()}"), created=1_764_000_000 + i))
    return work


async def writes(store: Store) -> None:
    for tasks in (1, 4, 16, 64):
        print(f"  create + audit, {tasks:2} tasks   {await load(store, tasks, create)}")
    for tasks in (1, 4, 16, 64):
        print(f"  audit only,     {tasks:2} tasks   {await load(store, tasks, lambda _: UnitOfWork([record()]))}")


async def fill(store: Store, objects: int) -> None:
    for start in range(store.count(LocateQuery("acme")), objects, 100):
        work = UnitOfWork()
        for i in range(start, start + 100):
            work.insert(aes_key(name(f"app/key-{i:07}"), created=1_764_000_000 + i))
        await store.commit(work)


async def reads(store: Store) -> None:
    uids = store.locate(LocateQuery("acme", maximum_items=100))
    obj = store.get("acme", uids[0])
    assert obj is not None
    print(f"  get, cached            {microseconds(lambda: store.get('acme', uids[0])):6.1f} us")

    def miss() -> None:
        store._cache.clear()
        store.get("acme", uids[0])

    print(f"  get, not cached        {microseconds(miss):6.1f} us")

    def revalidate() -> None:
        store._cache.get("acme", uids[0]).epoch = -1
        store.get("acme", uids[0])

    print(f"  get, cached, after a commit {microseconds(revalidate):6.1f} us")
    print(f"  encode for the store   {microseconds(lambda: encode(obj, 1)):6.1f} us")
    print(f"  its search terms alone {microseconds(lambda: terms(obj)):6.1f} us, {len(terms(obj).own)} of its own")
    for objects in (100, 10_000):
        await fill(store, objects)
        await locates(store)


async def locates(store: Store) -> None:
    everything = LocateQuery("acme")
    print(f"  {store.count(everything)} objects, size {store._path.stat().st_size / 2**20:.1f} MiB")
    symmetric = Attribute("Object Type", ObjectType.SYMMETRIC_KEY)
    aes = Attribute("Cryptographic Algorithm", CryptographicAlgorithm.AES)
    for label, query in (
        ("by name", LocateQuery("acme", (name("app/key-0000050"),))),
        ("by name and type", LocateQuery("acme", (name("app/key-0000050"), symmetric))),
        ("newest 100", LocateQuery("acme", maximum_items=100)),
        ("newest 100 AES", LocateQuery("acme", (symmetric, aes), maximum_items=100)),
        ("none Active", LocateQuery("acme", (symmetric, Attribute("State", State.ACTIVE)))),
        (
            "100 within dates",
            LocateQuery(
                "acme",
                (Attribute("Initial Date", 1_764_000_010), Attribute("Initial Date", 1_764_000_500)),
                maximum_items=100,
            ),
        ),
    ):
        cost = microseconds(lambda query=query: store.locate(query), 200)
        print(f"    locate {label:18} {cost:7.1f} us, {len(store.locate(query))} found")
    cost = microseconds(lambda: store.count(everything), 20)
    print(f"    overdue            {microseconds(lambda: store.overdue('acme', 1_764_000_000), 200):7.1f} us")
    print(f"    count all          {cost:7.1f} us")
    cost = microseconds(lambda: store.locate(replace(everything, maximum_items=100), lambda _: True), 20)
    print(f"    newest 100 through a filter {cost:7.1f} us")


async def main(directory: str) -> None:
    with Store.open(Path(directory) / "reads.db") as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await fill(store, 100)
            await reads(store)
            nursery.cancel_scope.cancel()
    with Store.open(Path(directory) / "writes.db") as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await writes(store)
            nursery.cancel_scope.cancel()
        wal = Path(directory) / "writes.db-wal"
        print(f"  write-ahead log {wal.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        trio.run(main, scratch)
