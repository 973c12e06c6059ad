"""The one text form of an audit record: what is exported, and what a chain over the records will be made
of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from kmsd.domain.records import AuditRecord

FIELDS = tuple(field.name for field in fields(AuditRecord))


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record with its place in the trail; `sequence` counts from 1 without gaps."""

    sequence: int
    record: AuditRecord


def canonical_text(stored: StoredRecord) -> str:
    """One line of ASCII JSON, the same characters for the same record every time.

    Fields are in the order of AuditRecord after the sequence, absent ones left out. Control characters in
    what a client sent are escaped, so a record never spans lines.
    """
    line: dict[str, object] = {"sequence": stored.sequence}
    for name in FIELDS:
        value = getattr(stored.record, name)
        if value is not None:
            line[name] = value
    # JSON lets DEL through, the one control character that it does.
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")


def parse_text(line: str) -> StoredRecord:
    """The record of one line; ValueError when it is not exactly what `canonical_text` writes."""
    values = json.loads(line)
    if not isinstance(values, dict):
        raise ValueError("an audit line is a JSON object")
    for name, value in values.items():
        if type(value) is not (int if name in ("sequence", "time") else str):
            raise ValueError(f"not an audit record: {name} is {value!r}")
    try:
        stored = StoredRecord(values.pop("sequence"), AuditRecord(**{"uid": None, **values}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an audit record: {error}") from error
    if canonical_text(stored) != line:
        raise ValueError("the audit line is not in canonical form")
    return stored
