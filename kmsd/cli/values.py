"""KMIP's names and values as people type and read them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import IntFlag
from typing import Any, Generic

import click

from protocol.attributes import ATTRIBUTES, Attribute
from protocol.enums import XML_NAMES, Enumeration
from protocol.member_names import Member, names_of
from protocol.names import XML_NAMES as XML_TAGS
from protocol.schema import DateTime
from protocol.structures import Name
from protocol.ttlv import Item, ItemType


# ---- typed ------------------------------------------------------------------------------------------------------
def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


class Named(click.ParamType, Generic[Member]):  # type: ignore[type-arg]  # generic in new versions of click only
    """A member of an enumeration by KMIP's name for it; case, `-` and `_` do not matter: aes, P-256, HMAC-SHA256."""

    def __init__(self, kind: type[Member], what: str) -> None:
        self.name = what
        members = names_of(kind)
        self._names = {_plain(name): name for name in members}
        self._members = {_plain(name): member for name, member in members.items()}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Member:
        if not isinstance(value, str):
            member: Member = value
            return member
        found = self._members.get(_plain(value))
        if found is None:
            near = difflib.get_close_matches(_plain(value), self._names, 1)
            hint = f", did you mean {self._names[near[0]]}?" if near else ""
            self.fail(f"{value!r} is no KMIP {self.name}{hint}", param, ctx)
        return found


class NamedBits(Named[Member]):
    """Members of a mask by their names, separated by commas: Encrypt,Decrypt."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Member:
        if not isinstance(value, str):
            member: Member = value
            return member
        first, *others = (super(NamedBits, self).convert(name.strip(), param, ctx) for name in value.split(","))
        for other in others:
            first = first | other  # type: ignore[assignment]
        return first


# ---- read -------------------------------------------------------------------------------------------------------
def plain(value: Any) -> Any:
    """A value as JSON has it: names for enumerations and bits, hexadecimal for bytes, objects for structures."""
    if isinstance(value, Enumeration):
        return XML_NAMES[type(value)].get(value.value, value.name)
    if isinstance(value, IntFlag):
        return [XML_NAMES[type(value)].get(bit.value, hex(bit.value)) for bit in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Item):
        return _item(value)
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, Name):
        return value.name_value
    if is_dataclass(value):
        shown = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {name: entry for name, entry in shown.items() if entry is not None}
    return value


def _item(item: Item) -> Any:
    """A value whose structure nobody declared."""
    if isinstance(item.value, tuple):
        return [{"tag": XML_TAGS.get(part.tag, f"0x{part.tag:06X}"), "value": _item(part)} for part in item.value]
    return date(item.value) if item.type == ItemType.DATE_TIME else plain(item.value)


def date(seconds: Any) -> str:
    """POSIX seconds in ISO 8601, UTC; the number where the calendar has no such day."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return str(seconds)


def by_name(attributes: Iterable[Attribute]) -> dict[str, Any]:
    """Attributes as JSON has them, by name; lists for those that an object can have several of."""
    found: dict[str, Any] = {}
    for attribute in attributes:
        name = attribute.name if attribute.vendor is None else f"{attribute.vendor}:{attribute.name}"
        spec = ATTRIBUTES.get(attribute.name) if attribute.vendor is None else None
        value = date(attribute.value) if spec is not None and spec.type == DateTime else plain(attribute.value)
        if spec is None or spec.multiple:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def text(value: Any) -> str:
    """What `plain` gave, on one line."""
    if isinstance(value, list):
        return ", ".join(map(text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {text(entry)}" for name, entry in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
