"""Which statements a search runs, and with which values.

Conditions on kinds come first: they say which kinds are meant, and these are few. Where there are no others, the
objects of each kind are read newest first and merged. Else there is one statement per shape of a query. The shape
says which condition drives: the matches of that one are read from the index newest first, and the others, the kind
among them, are tested per candidate.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from heapq import merge
from itertools import islice, product
from typing import Any

from kmsd.domain.locate import AllOf, Between, Condition, NoneBetween, Search
from kmsd.storage.shapes import Form, Shape, Statement
from kmsd.storage.statements import KINDS, KINDS_BETWEEN, KINDS_WITH, LOCATE, PROBE, PROBED

_FEW = 8
MOST_STREAMS = 64
"""Kinds that are merged: with more, objects are read newest first, whatever their kind, and looked at."""


def _form(condition: Condition) -> Form:
    if isinstance(condition, AllOf):
        return Form(len(condition.terms), condition.instanced)
    return Form(0, none=isinstance(condition, NoneBetween))


def select(
    connection: sqlite3.Connection, search: Search, output: str, limit: int = -1, offset: int = 0
) -> Generator[tuple[Any, ...], None, None]:
    """What is found, newest first, as rows that begin with the output: "uid", or "object" (an ObjectRow).

    Limit -1 is none. The Unique Identifiers of the search are not looked at: the caller has a shorter way for them.
    To be closed, or read to its end: until then it holds a snapshot of the store.
    """
    with _snapshot(connection, search):
        kinds = _kinds(connection, search)
        if kinds is not None and _few(kinds, search):
            yield from _merged(connection, search, kinds, output, limit, offset)
            return
        text, values = _one_statement(connection, search, kinds, output, limit, offset)
        with closing(connection.execute(text, values)) as rows:
            yield from rows


def count(connection: sqlite3.Connection, search: Search) -> int:
    """How many objects there are to find."""
    with _snapshot(connection, search):
        kinds = _kinds(connection, search)
        if kinds is not None and _few(kinds, search):
            text = _statement(_OF_KIND["count"]).sql
            return sum(
                int(connection.execute(text, pair).fetchone()[0]) for pair in product(search.statuses, sorted(kinds))
            )
        text, values = _one_statement(connection, search, kinds, "count")
        return int(connection.execute(text, values).fetchone()[0])


@contextmanager
def _snapshot(connection: sqlite3.Connection, search: Search) -> Iterator[None]:
    """One state of the store for all statements of a search that needs several: an object that changes its kind in
    between would be missed, or found twice."""
    if not search.kind or connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _kinds(connection: sqlite3.Connection, search: Search) -> set[int] | None:
    """The kinds that all conditions on them allow; None where there is no such condition."""
    found: set[int] | None = None
    for condition in search.kind:
        these = _kinds_of(connection, search.tenant, condition)
        found = these if found is None else found & these
        if not found:
            break
    return found


def _kinds_of(connection: sqlite3.Connection, tenant: str, condition: Condition) -> set[int]:
    if isinstance(condition, AllOf):
        instances = [set(connection.execute(KINDS_WITH.sql, (tenant, term))) for term in condition.terms]
        return {kind for kind, _ in set.intersection(*instances)}
    inside = {kind for (kind,) in connection.execute(KINDS_BETWEEN.sql, (tenant, condition.low, condition.high))}
    if isinstance(condition, Between):
        return inside
    return {kind for (kind,) in connection.execute(KINDS.sql, (tenant,))} - inside


def _few(kinds: set[int], search: Search) -> bool:
    return not search.conditions and len(kinds) * len(search.statuses) <= MOST_STREAMS


_OF_KIND = {output: Shape(output, None, (), 1, "one") for output in ("uid", "object", "count")}


def _merged(
    connection: sqlite3.Connection, search: Search, kinds: set[int], output: str, limit: int, offset: int
) -> Iterator[tuple[Any, ...]]:
    """Each kind is read newest first, no further than needed: a page costs the same however many objects there are."""
    statement = _statement(_OF_KIND[output])
    most = limit if limit < 0 else limit + offset
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                closing(
                    connection.execute(
                        statement.sql, statement.bind({"status0": status, "kind": kind, "limit": most, "offset": 0})
                    )
                )
            )
            for status, kind in product(search.statuses, sorted(kinds))
        ]
        rows = merge(*streams, key=_by_age)
        yield from islice(rows, offset, None if limit < 0 else most)


def _by_age(row: tuple[Any, ...]) -> tuple[int, int]:
    return -row[-2], -row[-1]


def _one_statement(
    connection: sqlite3.Connection,
    search: Search,
    kinds: set[int] | None,
    output: str,
    limit: int = -1,
    offset: int = 0,
) -> tuple[str, list[Any]]:
    driver, tests = _choose(connection, search)
    shape = Shape(
        output,
        None if driver is None else _form(driver),
        tuple(_form(condition) for condition in tests),
        len(search.statuses),
        "" if kinds is None else "some",
    )
    values: dict[str, Any] = {"tenant": search.tenant, "limit": limit, "offset": offset}
    values.update((f"status{i}", status) for i, status in enumerate(search.statuses))
    if kinds is not None:
        values["kinds"] = json.dumps(sorted(kinds))
    if driver is not None:
        _bind(values, "d", driver)
    for position, condition in enumerate(tests):
        _bind(values, f"c{position}", condition)
    statement = _statement(shape)
    return statement.sql, statement.bind(values)


def _bind(values: dict[str, Any], prefix: str, condition: Condition) -> None:
    if isinstance(condition, AllOf):
        values.update((f"{prefix}_{i}", term) for i, term in enumerate(condition.terms))
    else:
        values[f"{prefix}_low"] = condition.low
        values[f"{prefix}_high"] = condition.high


def _choose(connection: sqlite3.Connection, search: Search) -> tuple[Condition | None, list[Condition]]:
    """The condition with the fewest matches, and the rest.

    Matches are counted, but never past a few, so that choosing costs microseconds. A range drives only
    where no term is asked for, since its matches must be sorted; a condition that there be no match never
    does.
    """
    conditions = list(search.conditions)
    fewest = PROBED + 1
    best: tuple[int, Condition] | None = None
    exact = [(position, condition) for position, condition in enumerate(conditions) if isinstance(condition, AllOf)]
    if len(exact) == 1 and len(exact[0][1].terms) == 1:
        best = exact[0]
    else:
        for position, condition, term in [(p, c, term) for p, c in exact for term in c.terms]:
            (matched,) = connection.execute(PROBE.sql, (search.tenant, term)).fetchone()
            if matched < fewest:
                others = tuple(other for other in condition.terms if other != term)
                best, fewest = (position, AllOf((term, *others), condition.instanced)), matched
            if matched <= _FEW:
                break
    if best is None:
        best = next(((p, c) for p, c in enumerate(conditions) if isinstance(c, Between)), None)
    if best is None:
        return None, conditions
    del conditions[best[0]]
    return best[1], conditions


@lru_cache(maxsize=512)
def _statement(shape: Shape) -> Statement:
    statement = LOCATE.get(shape)
    if statement is None:
        from kmsd.storage import building  # noqa: PLC0415 (0.1 s and 12 MiB, that most daemons never need)

        statement = building.locating(shape)
    return statement
