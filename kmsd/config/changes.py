"""What differs between two configurations, and which of that a running daemon cannot take up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from kmsd.config.reading import Section
from kmsd.config.settings import Settings
from kmsd.config.source import Place, Problem

_AT_START = "takes effect at a restart only"

_ABSENT = object()


def changes(before: object, after: object, place: Place = ()) -> Iterator[Place]:
    """The places of the values that differ, as deep as both sides have them."""
    if isinstance(before, Section) and type(before) is type(after):
        for name in (option.name for option in fields(before)):  # type: ignore[arg-type]
            yield from changes(getattr(before, name), getattr(after, name), (*place, name))
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            name = key if isinstance(key, str) else getattr(key, "name", str(key))
            yield from changes(before.get(key, _ABSENT), after.get(key, _ABSENT), (*place, name))
    elif before != after:
        yield place


def needing_restart(before: Settings, after: Settings) -> Iterator[Problem]:
    """What has changed and is looked at only when the daemon starts, as (place, what about it)."""
    for section in ("listeners", "store"):
        for place in changes(getattr(before, section), getattr(after, section), (section,)):
            yield place, _AT_START
    for place in changes(before.hsms, after.hsms, ("hsms",)):
        if place[2:] != ("pin",):
            yield place, _AT_START
    for name in before.hsms.keys() & after.hsms.keys():
        if before.hsms[name].user_pin() != after.hsms[name].user_pin():
            yield ("hsms", name, "pin"), f"the PIN has changed, which {_AT_START}"
    if before.software_root_key() != after.software_root_key():
        yield ("software_root",), f"the root key has changed, which {_AT_START}"
    for name in before.tenants.keys() & after.tenants.keys():
        old, new = before.tenants[name], after.tenants[name]
        if old.root != new.root:
            yield ("tenants", name, "root"), f"its data key is under the root {old.root!r}, which never changes"
        elif old.hsm_name != new.hsm_name:
            yield ("tenants", name, "hsm"), _AT_START
