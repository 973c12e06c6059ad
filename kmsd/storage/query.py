"""Which statement a search runs, and with which values.

Locate has one statement per shape of a query, not per query. The shape says which condition drives: the
matches of that one are read from the index newest first, and the others are tested per candidate.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Any

from kmsd.domain.locate import AllOf, Between, Condition, NoneBetween, Search
from kmsd.storage.shapes import Form, Shape, Statement
from kmsd.storage.statements import LOCATE, PROBE, PROBED

_FEW = 8


def _form(condition: Condition) -> Form:
    if isinstance(condition, AllOf):
        return Form(len(condition.terms), condition.instanced)
    return Form(0, none=isinstance(condition, NoneBetween))


def locate(
    connection: sqlite3.Connection, search: Search, output: str, limit: int = -1, offset: int = 0
) -> tuple[str, list[Any]]:
    """The statement and its parameters; output "uid", "object" (an ObjectRow) or "count"; limit -1 is none.

    The Unique Identifiers of the search are not looked at: the caller has a shorter way for them.
    """
    driver, tests = _choose(connection, search)
    shape = Shape(
        output,
        None if driver is None else _form(driver),
        tuple(_form(condition) for condition in tests),
        len(search.statuses),
    )
    values: dict[str, Any] = {"tenant": search.tenant, "limit": limit, "offset": offset}
    values.update((f"status{i}", status) for i, status in enumerate(search.statuses))
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
