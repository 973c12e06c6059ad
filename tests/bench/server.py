"""What the daemon does in a second, beside PyKMIP's server and a bare TLS echo in the same minutes.

    python -m tests.bench.server [--rounds 3] [--seconds 2] [--objects 10000]

All servers run all the time, on the first processor, and the load, on the second, takes turns between them: the
machine's speed changes from minute to minute, so what counts are the ratios, medians over the rounds. The load first
says its own ceiling. Every turn has new connections, a closed loop, and looks at each answer's status.

Each server but the echoes holds the same number of named AES-256 keys before the first turn: kmsd by as many Creates,
PyKMIP by its own classes in its own process, since its Create would take minutes. Create adds to them. PyKMIP answers
one request at a time and takes seconds for a Locate among so many, so it gets --locates calls in a round, on one
connection, and that rate stands for all. What the HSM's row of Get fetches is a software key whose tenant has the HSM
as its root; HSM keys do not leave it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import NamedTuple

from tests.bench import load, messages, targets
from tests.bench.load import Server
from tests.bench.targets import Process

CONNECTIONS = (1, 16)
NO_LIMIT = float("inf")
CEILING = "echo, plain epoll"
TRIO = "echo, trio.SSLStream"
PEER = "PyKMIP"


class Row(NamedTuple):
    """One turn: operations per second, milliseconds, microseconds of the server's and of the load's processor."""

    rate: float
    p50: float
    p99: float
    cost: float
    own_cost: float


class Case(NamedTuple):
    """What one server is asked in one operation."""

    operation: str
    process: Process
    server: Server
    requests: Callable[[], Iterator[bytes]]
    calls: int | None = None
    connections: tuple[int, ...] = CONNECTIONS


Key = tuple[str, int, str]
"""Operation, connections, server."""


def used(processes: Iterable[Process]) -> float:
    """Seconds of processor time of the servers and the load."""
    return sum(process.processor_time() for process in processes) + time.process_time()


def turn(case: Case, connections: int, seconds: float) -> Row:
    requests = case.requests()
    if case.calls is None:
        load.run(case.server, islice(requests, 2 * connections), connections=connections)
    else:
        requests, seconds = islice(requests, case.calls), NO_LIMIT
    before = case.process.processor_time()
    result = load.run(case.server, requests, connections=connections, seconds=seconds)
    number = len(result.latencies)
    cost = (case.process.processor_time() - before) / number
    p50, p99 = result.percentile(0.5), result.percentile(0.99)
    return Row(result.rate, p50 * 1e3, p99 * 1e3, cost * 1e6, result.client_time / number * 1e6)


def prepare(server: Server, number: int, protection: str | None = None) -> str:
    """An active key to use; with `number`, after so many keys with names."""
    named = (messages.create(messages.name_of(position)) for position in range(number))
    load.run(server, named, connections=16)
    made = load.run(server, iter([messages.create(None, protection)]), connections=1, keep=True)
    uid = messages.uid_of(made.answers[0])
    load.run(server, iter([messages.activate(uid)]), connections=1)
    return uid


def locates(number: int) -> Callable[[], Iterator[bytes]]:
    prepared = [messages.locate(name) for name in islice(messages.names(number), 64)]
    return lambda: cycle(prepared)


def always(request: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: repeat(request)


def check_located(server: Server, number: int) -> None:
    """Every Locate finds its one key; success alone would not say so."""
    answers = load.run(server, islice(locates(number)(), 2), connections=1, keep=True).answers
    if [messages.located(answer) for answer in answers] != [1, 1]:
        raise load.WrongAnswerError("a name was not found once")


def cases(directory: Path, options: argparse.Namespace, stack: ExitStack) -> tuple[list[Case], list[Process]]:
    """Start and fill everything."""
    number = options.objects
    software, hsm = directory / "software", directory / "hsm"
    process, port = stack.enter_context(targets.kmsd(software, hsm=False))
    processes = [process]
    server = targets.server(port, software, "acme-app")
    print(f"filling {process.name}", flush=True)
    uid = prepare(server, number)
    check_located(server, number)
    made = [
        Case("Get", process, server, always(messages.get(uid))),
        Case("Encrypt 1 KiB", process, server, always(messages.encrypt(uid))),
        Case("Create", process, server, always(messages.create())),
        Case("Locate", process, server, locates(number)),
    ]
    if targets.HSM:
        process, port = stack.enter_context(targets.kmsd(hsm, hsm=True))
        processes.append(process)
        server = targets.server(port, hsm, "bank-app")
        in_software, in_hsm = prepare(server, 0, "SOFTWARE"), prepare(server, 0)
        made += [
            Case("Get", process, server, always(messages.get(in_software))),
            Case("Encrypt 1 KiB", process, server, always(messages.encrypt(in_hsm))),
            Case("Create", process, server, always(messages.create())),
        ]
    peer = directory / "pykmip"
    targets.certificates(software, peer)
    print(f"filling {PEER}", flush=True)
    targets.fill_pykmip(peer, number, "acme-app")
    process, port = stack.enter_context(targets.pykmip(peer))
    processes.append(process)
    server = targets.server(port, peer, "acme-app")
    uid = prepare(server, 0)
    check_located(server, number)
    made += [
        Case("Get", process, server, always(messages.get(uid))),
        Case("Encrypt 1 KiB", process, server, always(messages.encrypt(uid))),
        Case("Create", process, server, always(messages.create())),
        Case("Locate", process, server, locates(number), options.locates, (1,)),
    ]
    request = messages.get(uid)
    for kind in targets.ECHOES:
        process, port = stack.enter_context(targets.echo(kind, peer))
        made.append(Case("Get", process, targets.server(port, peer, "acme-app", request), always(request)))
    return made, processes


# --- the report -----------------------------------------------------------------------------------------------


def ratio(rows: dict[Key, list[Row]], key: Key, other: Key, of: Callable[[Row], float]) -> float | None:
    """Round by round; None where one of the two was not measured."""
    pairs = list(zip(rows.get(key, []), rows.get(other, []), strict=False))
    return statistics.median(of(mine) / of(theirs) for mine, theirs in pairs) if pairs else None


def by_rate(row: Row) -> float:
    return row.rate


def by_cost(row: Row) -> float:
    """How much can be had for a second of the processor: what others do on the machine blurs this the least."""
    return 1 / row.cost


def report(rows: dict[Key, list[Row]]) -> None:
    for connections in CONNECTIONS:
        row = _median(rows["Get", connections, CEILING])
        print(
            f"the load's ceiling, {connections:2} connections: {row.rate:,.0f}/s, of its own processor "
            f"{row.own_cost:.0f} µs a request"
        )
    print(
        f"\n{'':32}{'ops/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'x PyKMIP':>10}{'per CPU':>9}{'x trio echo':>13}"
    )
    for operation, connections in dict.fromkeys((operation, number) for operation, number, _ in rows):
        print(f"{operation}, {connections} connection{'s' if connections > 1 else ''}")
        for key, values in rows.items():
            if key[:2] != (operation, connections):
                continue
            row = _median(values)
            peer = next(k for k in ((operation, connections, PEER), (operation, 1, PEER)) if k in rows)
            rate, cost = ratio(rows, key, peer, by_rate), ratio(rows, key, peer, by_cost)
            trio_echo = ratio(rows, key, ("Get", connections, TRIO), by_rate) if operation == "Get" else None
            print(
                f"  {key[2]:30}{row.rate:9,.0f}{row.p50:9.2f}{row.p99:9.2f}{row.cost:9,.0f}"
                f"{_number(rate, 10)}{_number(cost, 9)}{_number(trio_echo, 13)}"
            )


def _median(values: list[Row]) -> Row:
    return Row(*(statistics.median(column) for column in zip(*values, strict=True)))


def _number(value: float | None, width: int) -> str:
    return " " * width if value is None else f"{value:{width},.2f}" if value < 10 else f"{value:{width},.0f}"


def starts(directory: Path, times: int) -> None:
    """From exec to readiness, and memory then; the files are there already, as at every start but the first."""
    print(f"\n{'start, median of ' + str(times):32}{'seconds':>9}{'MiB':>9}")
    servers: dict[str, Callable[[], AbstractContextManager[tuple[Process, int]]]] = {
        "kmsd": partial(targets.kmsd, directory / "software", hsm=False)
    }
    if targets.HSM:
        servers["kmsd, HSM"] = partial(targets.kmsd, directory / "hsm", hsm=True)
    servers[PEER] = partial(targets.pykmip, directory / "pykmip")
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(times):
        for name, open_server in servers.items():
            with open_server() as (process, _):
                measured[name].append((process.start_time, process.resident()))
    for name, values in measured.items():
        seconds, memory = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"  {name:30}{seconds:9.2f}{memory:9.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--locates", type=int, default=1, help="calls of PyKMIP's Locate in a round")
    options = parser.parse_args()
    targets.pin_load()
    rows: dict[Key, list[Row]] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with ExitStack() as stack:
            made, processes = cases(directory, options, stack)
            all_processes = {case.process.name: case.process for case in made}.values()
            made.sort(key=lambda case: case.operation)
            busy = targets.busy_time()
            own = used(all_processes)
            started = time.perf_counter()
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", flush=True)
                for connections in CONNECTIONS:
                    for case in made:
                        if connections in case.connections:
                            row = turn(case, connections, options.seconds)
                            rows.setdefault((case.operation, connections, case.process.name), []).append(row)
            others = targets.busy_time() - busy - (used(all_processes) - own)
            share = others / (time.perf_counter() - started) / len(targets.PROCESSORS)
            memory = {process.name: process.resident() for process in processes}
        print(f"others used {share:.0%} of the machine meanwhile; the ratios per CPU suffer least from that")
        report(dict(sorted(rows.items(), key=lambda item: item[0][:2])))
        print(f"\n{'MiB resident after the load':32}")
        for process_name, resident in memory.items():
            print(f"  {process_name:30}{resident:9.1f}")
        starts(directory, 5)


if __name__ == "__main__":
    main()
