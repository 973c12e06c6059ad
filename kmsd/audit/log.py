"""The one text form of an audit record: what is exported, and what a chain over the records will be made
of.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from kmsd.domain.records import AuditRecord, Origin

FIELDS = AuditRecord._fields


MOST_OBJECTS = 16
"""Objects that one record names; of more it says how many."""
LONGEST_TEXT = 128
"""Characters of what a client sent: an identifier of a megabyte names no object, and must not fill the trail."""


def record_of(
    time: int, origin: Origin, operation: str, result: str, reason: str | None, uids: Collection[str] = ()
) -> AuditRecord:
    """A record of bounded size: the first object is its `uid`, others are in its `detail`."""
    tenant, client, address, ours, theirs = origin
    uid = _clipped(next(iter(uids))) if uids else None
    detail = _others(uids) if len(uids) > 1 else None
    if theirs is not None:
        theirs = _clipped(theirs)
    return AuditRecord(time, tenant, client, address, operation, uid, result, reason, detail, ours, theirs)


def _others(uids: Collection[str]) -> str | None:
    """All but the first of several objects; each is named once."""
    named = list(dict.fromkeys(uids))
    others = [_clipped(uid) for uid in named[1:MOST_OBJECTS]]
    if len(named) > MOST_OBJECTS:
        others.append(f"and {len(named) - MOST_OBJECTS} more")
    return " ".join(others) or None


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


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
