"""CMKs that a configuration declares: what differs from those that are there, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from kmsd.domain import key_changes
from kmsd.domain.cmk import DAY, Cmk, Origin
from kmsd.domain.key_rules import KeyRules
from kmsd.domain.key_specs import KeySpec, KeyUsage
from kmsd.domain.objects import ProtectionLevel


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declared CMK; what is None is nothing that the declaration speaks of, and stays as it is."""

    name: str
    spec: KeySpec
    usage: KeyUsage
    origin: Origin
    protection: ProtectionLevel | None = None
    """None: the tenant's default when it is made."""
    aliases: tuple[str, ...] = ()
    """With their prefix; the first is made of the name. A key may have more of them."""
    description: str | None = None
    rotation: int | None = None
    """The interval of automatic rotation in seconds; 0: none."""
    deletion_protection: bool | None = None
    deletion_protection_description: str | None = None
    tags: tuple[tuple[str, str], ...] | None = None
    """(key, value), by key; all that the key has."""


class Kind(Enum):
    """What a declaration comes to."""

    CREATE = "create"
    CHANGE = "change"
    SAME = "unchanged"
    IMPOSSIBLE = "impossible"
    """What a key is made of never changes."""
    LEFT_ALONE = "left alone"
    """It is pending deletion: cancel that first."""
    UNDECLARED = "kept"
    """It was declared once. No key is deleted because a line is."""


@dataclass(frozen=True, slots=True)
class Change:
    """One property, as people read it."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done about one declared CMK; `uid` is None for one that is not there yet."""

    name: str
    kind: Kind
    uid: str | None = None
    changes: tuple[Change, ...] = ()
    taken: tuple[str, ...] = ()
    """Declared aliases that name other keys: they are not taken from them."""


def plan(declarations: Mapping[str, Declaration], cmks: Iterable[Cmk]) -> list[Difference]:
    """The difference between what is declared and the tenant's CMKs that are not deleted."""
    cmks = list(cmks)
    by_name = {cmk.declared: cmk for cmk in cmks if cmk.declared is not None}
    holders = {alias: cmk.uid for cmk in cmks for alias in cmk.aliases}
    found = [_difference(declared, by_name.get(name), holders) for name, declared in declarations.items()]
    gone = [name for name in by_name if name not in declarations]
    return found + [Difference(name, Kind.UNDECLARED, by_name[name].uid) for name in gone]


def _difference(declared: Declaration, cmk: Cmk | None, holders: Mapping[str, str]) -> Difference:
    taken = tuple(a for a in declared.aliases if a in holders and (cmk is None or holders[a] != cmk.uid))
    if cmk is None:
        return Difference(declared.name, Kind.CREATE, taken=taken)
    if cmk.deletion_date is not None:
        return Difference(declared.name, Kind.LEFT_ALONE, cmk.uid)
    fixed = [
        Change(field, str(before), str(after))
        for field, before, after in (
            ("spec", cmk.spec.name, declared.spec.name),
            ("usage", cmk.usage, declared.usage),
            ("origin", cmk.origin, declared.origin),
            ("protection", cmk.protection, declared.protection or cmk.protection),
        )
        if before != after
    ]
    if fixed:
        return Difference(declared.name, Kind.IMPOSSIBLE, cmk.uid, tuple(fixed))
    changes = tuple(_changes(declared, cmk, taken))
    return Difference(declared.name, Kind.CHANGE if changes else Kind.SAME, cmk.uid, changes, taken)


def _changes(declared: Declaration, cmk: Cmk, taken: tuple[str, ...]) -> Iterable[Change]:
    missing = [alias for alias in declared.aliases if alias not in cmk.aliases and alias not in taken]
    if missing:
        yield Change("aliases", ", ".join(cmk.aliases), ", ".join((*cmk.aliases, *missing)))
    if declared.description not in (None, cmk.description):
        yield Change("description", cmk.description, declared.description or "")
    interval = cmk.rotation_interval if cmk.rotation_enabled else 0
    if declared.rotation not in (None, interval):
        yield Change("rotation", _interval(interval), _interval(declared.rotation))
    if declared.deletion_protection not in (None, cmk.deletion_protection):
        yield Change("deletion_protection", _yes(cmk.deletion_protection), _yes(declared.deletion_protection))
    elif cmk.deletion_protection and declared.deletion_protection_description not in (
        None,
        cmk.deletion_protection_description,
    ):
        yield Change(
            "deletion_protection_description",
            cmk.deletion_protection_description,
            declared.deletion_protection_description or "",
        )
    if declared.tags not in (None, cmk.tags):
        yield Change("tags", _tags(cmk.tags), _tags(declared.tags or ()))


def changed(declared: Declaration, cmk: Cmk, difference: Difference, rules: KeyRules) -> Cmk:
    """The CMK as it is declared. Raises KmsError, as the operations do that change one property each."""
    for alias in declared.aliases:
        if alias not in cmk.aliases and alias not in difference.taken:
            cmk = key_changes.add_alias(cmk, alias)
    if declared.description is not None:
        cmk = key_changes.describe(cmk, declared.description)
    if declared.rotation is not None and (declared.rotation or cmk.rotation_enabled):
        cmk = key_changes.set_rotation(cmk, declared.rotation > 0, declared.rotation or None, rules)
    if declared.deletion_protection is not None:
        text = declared.deletion_protection_description
        text = cmk.deletion_protection_description if text is None else text
        cmk = key_changes.set_deletion_protection(cmk, declared.deletion_protection, text)
    if declared.tags is not None:
        cmk = key_changes.tag(key_changes.untag(cmk, [key for key, _ in cmk.tags]), declared.tags)
    return cmk


def _interval(seconds: int | None) -> str:
    if not seconds:
        return "none"
    return f"{seconds // DAY}d" if seconds % DAY == 0 else f"{seconds}s"


def _yes(value: bool | None) -> str:
    return "yes" if value else "no"


def _tags(tags: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{key}={value}" for key, value in tags)
