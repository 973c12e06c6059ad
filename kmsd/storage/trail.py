"""The audit trail for who reads it: the newest records that match, without a write to the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from kmsd.domain.records import AuditRecord
from kmsd.storage.errors import SchemaError
from kmsd.storage.upgrade import REVISION, stored_revision


@dataclass(frozen=True, slots=True)
class Filters:
    """What a record must be; None is anything."""

    tenant: str | None = None
    client: str | None = None
    operation: str | None = None
    """As KMIP or the trail spells it: GetAttributes, GET_ATTRIBUTES."""
    uid: str | None = None
    """Of an object that the record names, first or among others."""
    result: str | None = None
    correlation: str | None = None
    """The Server or Client Correlation Value of the request."""
    since: int | None = None
    until: int | None = None
    """Microseconds since 1970: from the first on, and before the second."""


_CONDITIONS = {
    "tenant": "tenant = :tenant",
    "client": "client = :client",
    "operation": "replace(upper(operation), '_', '') = replace(upper(:operation), '_', '')",
    "uid": "(uid = :uid OR instr(' ' || detail || ' ', ' ' || :uid || ' '))",
    "result": "result = :result",
    "correlation": "(server_correlation_value = :correlation OR client_correlation_value = :correlation)",
    "since": "time >= :since",
    "until": "time < :until",
}
_COLUMNS = ", ".join(AuditRecord._fields)


def newest(path: Path, filters: Filters, most: int) -> list[tuple[int, AuditRecord]]:
    """Up to `most` records that match, with their sequence numbers, the newest first.

    The file may be in use, or in nobody's. Raises SchemaError for what is no store of this version.
    """
    values = {name: value for name, value in asdict(filters).items() if value is not None}
    where = " AND ".join(_CONDITIONS[name] for name in values) or "1"
    # All of it is from the table above; what is asked for is bound.
    statement = f"SELECT sequence, {_COLUMNS} FROM audit WHERE {where} ORDER BY sequence DESC LIMIT :most"  # noqa: S608
    try:
        # Opened so, SQLite itself writes nothing to the file.
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            found = stored_revision(connection)
            if found != REVISION:
                what = "no store of kmsd" if found is None else f"of schema {found}; this version reads {REVISION}"
                raise SchemaError(f"{path}: {what}")
            rows = connection.execute(statement, {**values, "most": most}).fetchall()
    except sqlite3.DatabaseError as error:
        raise SchemaError(f"{path}: {error}") from error
    return [(row[0], AuditRecord(*row[1:])) for row in rows]
