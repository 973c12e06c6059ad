"""Statements built with SQLAlchemy Core, from the tables of kmsd.storage.schema.

`python -m kmsd.storage.generate` writes the text of those that a daemon needs every day to
kmsd.storage.statements. This module is imported only there, and for a search of a rare shape: it and SQLAlchemy
take 0.1 s and 12 MiB.
"""

from __future__ import annotations

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
from sqlalchemy.schema import CreateIndex, CreateTable

from kmsd.storage.rows import ObjectRow
from kmsd.storage.schema import audit, kind_terms, kinds, metadata, names, objects, tenants, terms
from kmsd.storage.shapes import Form, Shape, Statement

PROBED = 64
"""Matches up to which PROBE counts."""

_DIALECT = sqlite.dialect(paramstyle="qmark")


def compiled(element: ClauseElement, *expected: str) -> Statement:
    """`expected`: the order in which callers bind the parameters, checked here once."""
    text: Any = element.compile(dialect=_DIALECT)
    parameters = tuple(text.positiontup or ())
    if expected and parameters != expected:
        raise TypeError(f"parameters are {parameters}, callers bind {expected}")
    return Statement(str(text), parameters)


COLUMNS = [objects.c[name] for name in ObjectRow._fields]

_UPDATED = (*(name for name in ObjectRow._fields if name not in ("uid", "tenant")), "kind")
_AUDITED = tuple(column.name for column in audit.c if column.name != "sequence")
_TERM = tuple(column.name for column in terms.c)
_THIS = and_(objects.c.uid == bindparam("uid"), objects.c.tenant == bindparam("tenant"))
_THIS_NAME = and_(names.c.tenant == bindparam("tenant"), names.c.name == bindparam("name"))

GET = compiled(select(*COLUMNS).where(_THIS), "uid", "tenant")
VERSION = compiled(select(objects.c.version).where(_THIS), "uid", "tenant")
LOCK = compiled(select(objects.c.id, objects.c.version).where(_THIS), "uid", "tenant")
UID_TAKEN = compiled(select(objects.c.id).where(_THIS), "uid", "tenant")
INSERT_OBJECT = compiled(
    insert(objects).values({name: bindparam(name) for name in (*ObjectRow._fields, "kind")}),
    *ObjectRow._fields,
    "kind",
)
UPDATE_OBJECT = compiled(
    update(objects)
    .values({name: bindparam(f"new_{name}") for name in _UPDATED})
    .where(objects.c.id == bindparam("row_id")),
    *(f"new_{name}" for name in _UPDATED),
    "row_id",
)
# The identifiers alone: whole rows would be sorted before the first is given.
WITHIN = compiled(
    select(objects.c.id)
    .where(
        objects.c.tenant == bindparam("tenant"),
        func.instr(objects.c.attributes, bindparam("within")) > literal_column("0"),
    )
    .order_by(objects.c.created.desc(), objects.c.id.desc()),
    "tenant",
    "within",
)
ROW = compiled(
    select(*(objects.c[name] for name in ObjectRow._fields)).where(objects.c.id == bindparam("row_id")), "row_id"
)
NAME_HOLDER = compiled(select(names.c.object).where(_THIS_NAME), "tenant", "name")
NAMED = compiled(
    select(objects.c.uid).select_from(names.join(objects, objects.c.id == names.c.object)).where(_THIS_NAME),
    "tenant",
    "name",
)
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
FIND_KIND = compiled(
    select(kinds.c.id).where(kinds.c.tenant == bindparam("tenant"), kinds.c.digest == bindparam("digest")),
    "tenant",
    "digest",
)
INSERT_KIND = compiled(
    insert(kinds).values(tenant=bindparam("tenant"), digest=bindparam("digest")),
    "tenant",
    "digest",
)
INSERT_KIND_TERM = compiled(
    insert(kind_terms).values({column.name: bindparam(column.name) for column in kind_terms.c}),
    "tenant",
    "term",
    "kind",
    "instance",
)
MANY_KINDS = compiled(
    select(func.count()).select_from(
        select(literal_column("1").label("one"))
        .where(kinds.c.tenant == bindparam("tenant"))
        .limit(bindparam("most"))
        .offset(literal_column("0"))
        .subquery()
    ),
    "tenant",
    "most",
)
KINDS = compiled(select(kinds.c.id).where(kinds.c.tenant == bindparam("tenant")), "tenant")
KINDS_WITH = compiled(
    select(kind_terms.c.kind, kind_terms.c.instance).where(
        kind_terms.c.tenant == bindparam("tenant"), kind_terms.c.term == bindparam("term")
    ),
    "tenant",
    "term",
)
KINDS_BETWEEN = compiled(
    select(kind_terms.c.kind).where(
        kind_terms.c.tenant == bindparam("tenant"),
        kind_terms.c.term.between(bindparam("low"), bindparam("high")),
    ),
    "tenant",
    "low",
    "high",
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
RESIDENT = compiled(
    select(objects.c.uid, objects.c.material).where(
        objects.c.tenant == bindparam("tenant"), objects.c.material_kind == literal_column("'resident'")
    ),
    "tenant",
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
PROBE = compiled(
    select(func.count()).select_from(
        select(literal_column("1").label("one"))
        .where(terms.c.tenant == bindparam("tenant"), terms.c.term == bindparam("term"))
        .limit(literal_column(str(PROBED)))
        .offset(literal_column("0"))
        .subquery()
    ),
    "tenant",
    "term",
)


def locating(shape: Shape) -> Statement:
    """Locate for searches of this shape."""
    candidate = terms.alias("d")
    status: list[ColumnElement[int]] = [bindparam(f"status{i}") for i in range(shape.statuses)]
    wheres: list[ColumnElement[bool]] = [
        objects.c.storage == status[0] if len(status) == 1 else objects.c.storage.in_(status)
    ]
    if shape.driver is None:
        source: FromClause = objects
        created, identity = objects.c.created, objects.c.id
        # A kind is a tenant's.
        of = objects.c.kind == bindparam("kind") if shape.kinds == "one" else objects.c.tenant == bindparam("tenant")
        wheres.append(of)
    else:
        source = candidate.join(objects, objects.c.id == candidate.c.object)
        created, identity = candidate.c.created, candidate.c.object
        wheres.append(_range(candidate, "d") if shape.driver.terms == 0 else _equal(candidate, "d_0"))
        wheres.extend(_exists_beside(candidate, f"d_{i}", f"d{i}") for i in range(1, shape.driver.terms))
    wheres.extend(_test(f"c{i}", form, created, identity) for i, form in enumerate(shape.tests))
    if shape.kinds == "some":
        some = func.json_each(bindparam("kinds")).table_valued("value")
        wheres.append(objects.c.kind.in_(select(some.c.value)))
    # Several instances of one object may match; the planner walks the index either way.
    repeated = shape.driver is not None and (shape.driver.terms == 0 or shape.driver.instanced)
    if shape.output == "count":
        counted = func.count(identity.distinct()) if repeated else func.count()
        return compiled(select(counted).select_from(source).where(*wheres))
    columns = COLUMNS if shape.output == "object" else [objects.c.uid]
    query: Select[Any] = select(*columns).select_from(source).where(*wheres)
    if repeated:
        query = query.add_columns(created, identity).distinct()
    elif shape.kinds == "one":
        # What the results of several kinds are merged by.
        query = query.add_columns(created, identity)
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


def creating() -> tuple[str, ...]:
    """What makes the tables and indexes of the current schema."""
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=_DIALECT)).strip())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            statements.append(str(CreateIndex(index).compile(dialect=_DIALECT)))
    return tuple(statements)
