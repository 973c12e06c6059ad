"""Statements, built once with SQLAlchemy Core and kept as text: building costs ten times what running does.

Locate has one statement per shape of a query, not per query. The shape says which condition drives: the
matches of that one are read from the index newest first, and the others are tested per candidate.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    not_,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from kmsd.domain.locate import AllOf, Between, Condition, NoneBetween, Search
from kmsd.storage.rows import ObjectRow
from kmsd.storage.schema import audit, names, objects, tenants, terms

_DIALECT = sqlite.dialect(paramstyle="qmark")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and the names of its parameters in their order."""

    sql: str
    parameters: tuple[str, ...]

    def bind(self, values: dict[str, Any]) -> list[Any]:
        return [values[name] for name in self.parameters]


def compiled(element: ClauseElement, *expected: str) -> Statement:
    """`expected`: the order in which callers bind the parameters, checked here once."""
    text: Any = element.compile(dialect=_DIALECT)
    parameters = tuple(text.positiontup or ())
    if expected and parameters != expected:
        raise TypeError(f"parameters are {parameters}, callers bind {expected}")
    return Statement(str(text), parameters)


COLUMNS = [objects.c[name] for name in ObjectRow._fields]

_UPDATED = tuple(name for name in ObjectRow._fields if name not in ("uid", "tenant"))
_AUDITED = tuple(column.name for column in audit.c if column.name != "sequence")
_TERM = tuple(column.name for column in terms.c)
_THIS = and_(objects.c.uid == bindparam("uid"), objects.c.tenant == bindparam("tenant"))
_THIS_NAME = and_(names.c.tenant == bindparam("tenant"), names.c.name == bindparam("name"))

GET = compiled(select(*COLUMNS).where(_THIS), "uid", "tenant")
VERSION = compiled(select(objects.c.version).where(_THIS), "uid", "tenant")
LOCK = compiled(select(objects.c.id, objects.c.version).where(_THIS), "uid", "tenant")
UID_TAKEN = compiled(select(objects.c.id).where(objects.c.uid == bindparam("uid")), "uid")
INSERT_OBJECT = compiled(
    insert(objects).values({name: bindparam(name) for name in ObjectRow._fields}), *ObjectRow._fields
)
UPDATE_OBJECT = compiled(
    update(objects)
    .values({name: bindparam(f"new_{name}") for name in _UPDATED})
    .where(objects.c.id == bindparam("row_id")),
    *(f"new_{name}" for name in _UPDATED),
    "row_id",
)
NAME_HOLDER = compiled(select(names.c.object).where(_THIS_NAME), "tenant", "name")
INSERT_NAME = compiled(
    insert(names).values({column.name: bindparam(column.name) for column in names.c}),
    "tenant",
    "name",
    "object",
)
DELETE_NAME = compiled(names.delete().where(_THIS_NAME), "tenant", "name")
INSERT_TERM = compiled(insert(terms).values({name: bindparam(name) for name in _TERM}), *_TERM)
DELETE_TERM = compiled(
    terms.delete().where(and_(*(terms.c[name] == bindparam(f"old_{name}") for name in _TERM))),
    *(f"old_{name}" for name in _TERM),
)
INSERT_AUDIT = compiled(insert(audit).values({name: bindparam(name) for name in _AUDITED}), *_AUDITED)
AUDIT_AFTER = compiled(
    select(*audit.c)
    .where(audit.c.sequence > bindparam("sequence"))
    .order_by(audit.c.sequence)
    .limit(bindparam("most"))
    .offset(literal_column("0")),
    "sequence",
    "most",
)
GET_TENANT = compiled(select(*tenants.c).where(tenants.c.name == bindparam("name")), "name")
INSERT_TENANT = compiled(
    sqlite.insert(tenants)
    .values({column.name: bindparam(column.name) for column in tenants.c})
    .on_conflict_do_nothing(),
    "name",
    "root",
    "wrapped_key",
)
_PROBED = 64
_FEW = 8
PROBE = compiled(
    select(func.count()).select_from(
        select(literal_column("1").label("one"))
        .where(terms.c.tenant == bindparam("tenant"), terms.c.term == bindparam("term"))
        .limit(literal_column(str(_PROBED)))
        .offset(literal_column("0"))
        .subquery()
    ),
    "tenant",
    "term",
)


@dataclass(frozen=True, slots=True)
class Form:
    """Of a condition, what its SQL depends on: `terms` is 0 for a range; `none` asks that there be no
    match.
    """

    terms: int
    instanced: bool = False
    none: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes two searches use one statement."""

    output: str
    driver: Form | None
    tests: tuple[Form, ...]
    statuses: int


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
    fewest = _PROBED + 1
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
    candidate = terms.alias("d")
    status: list[ColumnElement[int]] = [bindparam(f"status{i}") for i in range(shape.statuses)]
    wheres: list[ColumnElement[bool]] = [
        objects.c.storage == status[0] if len(status) == 1 else objects.c.storage.in_(status)
    ]
    if shape.driver is None:
        source: FromClause = objects
        created, identity = objects.c.created, objects.c.id
        wheres.append(objects.c.tenant == bindparam("tenant"))
    else:
        source = candidate.join(objects, objects.c.id == candidate.c.object)
        created, identity = candidate.c.created, candidate.c.object
        wheres.append(_range(candidate, "d") if shape.driver.terms == 0 else _equal(candidate, "d_0"))
        wheres.extend(_exists_beside(candidate, f"d_{i}", f"d{i}") for i in range(1, shape.driver.terms))
    wheres.extend(_test(f"c{i}", form, created, identity) for i, form in enumerate(shape.tests))
    # Several instances of one object may match; the planner walks the index either way.
    repeated = shape.driver is not None and (shape.driver.terms == 0 or shape.driver.instanced)
    if shape.output == "count":
        counted = func.count(identity.distinct()) if repeated else func.count()
        return compiled(select(counted).select_from(source).where(*wheres))
    columns = COLUMNS if shape.output == "object" else [objects.c.uid]
    query: Select[Any] = select(*columns).select_from(source).where(*wheres)
    if repeated:
        query = query.add_columns(created, identity).distinct()
    query = query.order_by(created.desc(), identity.desc())
    return compiled(query.limit(bindparam("limit")).offset(bindparam("offset")))


def _equal(alias: FromClause, parameter: str) -> ColumnElement[bool]:
    return and_(alias.c.tenant == bindparam("tenant"), alias.c.term == bindparam(parameter))


def _range(alias: FromClause, prefix: str) -> ColumnElement[bool]:
    return and_(
        alias.c.tenant == bindparam("tenant"),
        alias.c.term.between(bindparam(f"{prefix}_low"), bindparam(f"{prefix}_high")),
    )


def _exists_beside(first: FromClause, parameter: str, name: str) -> ColumnElement[bool]:
    """Another term in the same instance: a point lookup, every column of the key is given."""
    other = terms.alias(name)
    return exists().where(
        _equal(other, parameter),
        other.c.created == first.c.created,
        other.c.object == first.c.object,
        other.c.instance == first.c.instance,
    )


def _test(prefix: str, form: Form, created: ColumnElement[int], identity: ColumnElement[int]) -> ColumnElement[bool]:
    first = terms.alias(prefix)
    if form.terms == 0:
        inside = identity.in_(select(first.c.object).where(_range(first, prefix)))
        return not_(inside) if form.none else inside
    return exists().where(
        _equal(first, f"{prefix}_0"),
        first.c.created == created,
        first.c.object == identity,
        *(_exists_beside(first, f"{prefix}_{i}", f"{prefix}x{i}") for i in range(1, form.terms)),
    )
