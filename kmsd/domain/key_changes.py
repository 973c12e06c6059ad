"""What changes a CMK: one function each, from the record to the changed record, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from kmsd.domain.cmk import DAY, Cmk, Origin
from kmsd.domain.errors import KmsError, invalid_field, permission_denied, unsupported
from kmsd.domain.key_rules import KeyRules
from protocol.enums import ResultReason

LONGEST_DESCRIPTION = 8192
MOST_TAGS = 20
_ALIAS = re.compile(r"alias/[A-Za-z0-9_\-/]{1,255}")
_TAG_KEY = re.compile(r"[A-Za-z0-9/\\_\-.+=:@ ]{1,128}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9/\\_\-.+=:@ ]{0,128}")
_RESERVED_TAGS = ("aliyun", "acs:")
_RESERVED_ALIASES = "alias/acs"
"""For the keys of services; taken only by those who make them."""


def describe(cmk: Cmk, description: str) -> Cmk:
    if len(description) > LONGEST_DESCRIPTION:
        raise invalid_field(f"a description has at most {LONGEST_DESCRIPTION} characters")
    return replace(cmk, description=description)


# --- tags


def tag(cmk: Cmk, tags: Iterable[tuple[str, str]]) -> Cmk:
    """Tags of the same key get the new value. Raises KmsError: Invalid Field, Server Limit Exceeded."""
    result = dict(cmk.tags)
    for key, value in tags:
        if _TAG_KEY.fullmatch(key) is None or key.startswith(_RESERVED_TAGS):
            raise invalid_field(
                "the key of a tag has 1 to 128 letters, digits, blanks and / \\ _ - . + = : @, "
                "and does not begin with aliyun or acs:"
            )
        if _TAG_VALUE.fullmatch(value) is None:
            raise invalid_field("the value of a tag has up to 128 letters, digits, blanks and / \\ _ - . + = : @")
        result[key] = value
    if len(result) > MOST_TAGS:
        raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, f"a key has at most {MOST_TAGS} tags")
    return replace(cmk, tags=tuple(sorted(result.items())))


def untag(cmk: Cmk, keys: Iterable[str]) -> Cmk:
    """Tags that are not there are no error: they are not there afterwards."""
    gone = set(keys)
    return replace(cmk, tags=tuple((key, value) for key, value in cmk.tags if key not in gone))


# --- aliases


def check_alias(alias: str) -> None:
    """Raise KmsError Invalid Field for what is no alias, or one that is kept for services."""
    if _ALIAS.fullmatch(alias) is None:
        raise invalid_field("an alias is alias/ and 1 to 255 letters, digits, _, - and /")
    if alias.startswith(_RESERVED_ALIASES):
        raise invalid_field(f"aliases that begin with {_RESERVED_ALIASES} are reserved")


def add_alias(cmk: Cmk, alias: str) -> Cmk:
    """Raises KmsError: Invalid Field, Non Unique Name Attribute (it is this key's already)."""
    check_alias(alias)
    if alias in cmk.aliases:
        raise KmsError(ResultReason.NON_UNIQUE_NAME_ATTRIBUTE, f"the alias {alias!r} is in use")
    return replace(cmk, aliases=(*cmk.aliases, alias))


def drop_alias(cmk: Cmk, alias: str) -> Cmk:
    return replace(cmk, aliases=tuple(kept for kept in cmk.aliases if kept != alias))


def move_alias(source: Cmk, target: Cmk, alias: str) -> tuple[Cmk, Cmk]:
    """(source, target) once the alias names the target.

    Raises KmsError Illegal Operation where the target is used otherwise: what was encrypted through the alias would
    be signed, or symmetric ciphertexts become asymmetric, under the same name.
    """
    if source.usage is not target.usage or source.spec.pair is not target.spec.pair:
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "an alias moves between keys of one usage and kind only")
    return drop_alias(source, alias), add_alias(target, alias)


# --- rotation


def check_interval(seconds: int, rules: KeyRules) -> None:
    """Raise KmsError Invalid Field."""
    if not rules.shortest_rotation <= seconds <= rules.longest_rotation:
        raise invalid_field(
            f"the rotation interval is {rules.shortest_rotation // DAY} to {rules.longest_rotation // DAY} days"
        )


def set_rotation(cmk: Cmk, automatic: bool, interval: int | None, rules: KeyRules) -> Cmk:
    """Automatic rotation on or off; switched on, it needs an interval (seconds), or has one from before.

    Raises KmsError: Feature Not Supported (imported or asymmetric keys), Invalid Field.
    """
    if cmk.origin is Origin.EXTERNAL or cmk.spec.pair:
        raise unsupported("only symmetric keys that were made here are rotated by themselves")
    interval = cmk.rotation_interval if interval is None else interval
    if interval is not None:
        check_interval(interval, rules)
    if automatic and interval is None:
        raise invalid_field("the rotation interval is missing")
    return replace(cmk, rotation_enabled=automatic, rotation_interval=interval)


def check_rotatable(cmk: Cmk, rules: KeyRules) -> None:
    """Raise KmsError: Feature Not Supported (imported material), Server Limit Exceeded."""
    if cmk.origin is Origin.EXTERNAL:
        raise unsupported("a key of imported material has one version for ever")
    if cmk.spec.pair and cmk.versions >= rules.maximum_versions:
        raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, f"the key has {cmk.versions} versions already")


def rotated(cmk: Cmk, version: str, now: int) -> Cmk:
    """The record once `version` is the primary, at `now` (POSIX seconds)."""
    return replace(cmk, primary=version, versions=cmk.versions + 1, last_rotation=now, has_material=True)


def set_minimum_version(cmk: Cmk, number: int) -> Cmk:
    """Raises KmsError Invalid Field for a number that no version has, or has not yet."""
    if not 1 <= number <= cmk.versions:
        raise invalid_field(f"the minimum version is one from 1 to {cmk.versions}")
    return replace(cmk, minimum_version=number)


# --- deletion


def set_deletion_protection(cmk: Cmk, on: bool, description: str | None) -> Cmk:
    text = description or ""
    if len(text) > LONGEST_DESCRIPTION:
        raise invalid_field(f"a description has at most {LONGEST_DESCRIPTION} characters")
    return replace(cmk, deletion_protection=on, deletion_protection_description=text if on else "")


def schedule_deletion(cmk: Cmk, days: int, now: int, rules: KeyRules) -> Cmk:
    """Raises KmsError: Invalid Field, Permission Denied (the key is protected)."""
    if not rules.shortest_window <= days <= rules.longest_window:
        raise invalid_field(f"a key is deleted after {rules.shortest_window} to {rules.longest_window} days")
    if cmk.deletion_protection:
        raise permission_denied("the key is protected against deletion")
    return replace(cmk, deletion_date=now + days * DAY)


def cancel_deletion(cmk: Cmk, rules: KeyRules) -> Cmk:
    """Enabled again, or Disabled, as the tenant chooses; Pending Import where the material is gone."""
    return replace(cmk, deletion_date=None, enabled=rules.cancelled_is_enabled)


def destroyed(cmk: Cmk, now: int) -> Cmk:
    """The tombstone: it has no aliases any more, and its tags and description still tell what it was."""
    return replace(cmk, destroyed=now, aliases=(), has_material=False, rotation_enabled=False)


# --- imported material


def imported(cmk: Cmk, version: str, digest: bytes, expires: int | None, now: int) -> Cmk:
    """The record once its material is there, until `expires` (POSIX seconds), or for ever.

    `digest` tells the same material again. Raises KmsError: Feature Not Supported (made here), Invalid Field (an
    expiry that has passed); whether the digest is the one of the first import is the caller's to compare, in
    constant time.
    """
    if cmk.origin is not Origin.EXTERNAL:
        raise unsupported("the material of this key is made here")
    if expires is not None and expires <= now:
        raise invalid_field("the material would have expired already")
    return replace(
        cmk,
        primary=version,
        versions=1,
        last_rotation=cmk.last_rotation or now,
        has_material=True,
        material_digest=digest,
        material_expires=expires,
    )


def without_material(cmk: Cmk) -> Cmk:
    """The record once its imported material is deleted, or has expired; only the same may come back.

    Raises KmsError Feature Not Supported where the material was made here.
    """
    if cmk.origin is not Origin.EXTERNAL:
        raise unsupported("the material of this key is made here")
    return replace(cmk, has_material=False, material_expires=None)
