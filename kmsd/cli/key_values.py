"""What the commands of the key service share: pairs, durations and dates as people type them, and CMKs as they read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import click

from kmsd.cli.values import date
from protocol.key_service import KeyMetadata

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class Pair(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """NAME=VALUE."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        left, sign, right = value.partition("=")
        if not sign:
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return left, right


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A number of days, hours, minutes or seconds, in seconds: 30d, 720h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9})([dhms])", value)
        if match is None:
            self.fail(f"{value!r} is no duration such as 30d, 720h, 3600m or 86400s", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class Date(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """ISO 8601, in POSIX seconds; UTC unless it says otherwise."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date such as 2030-01-31 or 2030-01-31T12:00:00Z", param, ctx)
        return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp())


def mapping(pairs: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
    """The pairs of an option that may be given several times. Raises UsageError for a name that occurs twice."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise click.UsageError(f"the {what} {name!r} is given twice")
        found[name] = value
    return found


def context_option(
    name: str = "--context", text: str = "What decrypting must say the same; several times."
) -> Decorator:
    """NAME=VALUE pairs of an encryption context."""
    option: Decorator = click.option(name, type=Pair(), multiple=True, help=text)
    return option


def unarmoured(data: bytes) -> bytes:
    """A self-describing ciphertext as it came, or out of its base64. What is neither is the server's to refuse."""
    if data[:1] == b"\x01":
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data


def public_key_der(file: bytes) -> bytes:
    """A public key's DER, of a file in PEM (RFC 7468 §13) or DER. Raises UsageError."""
    if b"-----BEGIN" not in file:
        return file
    block = re.search(rb"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", file)
    try:
        return base64.b64decode(b"".join(block[1].split()), validate=True) if block is not None else _no_key()
    except binascii.Error:
        return _no_key()


def _no_key() -> bytes:
    raise click.UsageError("this is no public key in PEM")


def paged(command: Callable[..., None]) -> Callable[..., None]:
    """--limit and --offset."""
    limit = click.option(
        "--limit", type=click.IntRange(1, 100), default=100, show_default=True, help="At most so many."
    )
    offset = click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out so many.")
    return limit(offset(command))


def described(metadata: KeyMetadata) -> dict[str, Any]:
    """A CMK as JSON and people have it; what does not apply is left out."""
    shown = {
        "unique_identifier": metadata.unique_identifier,
        "aliases": list(metadata.alias_names),
        "description": metadata.description,
        "state": metadata.key_state,
        "spec": metadata.key_spec,
        "usage": metadata.key_usage,
        "origin": metadata.key_origin,
        "protection": metadata.key_protection,
        "creator": metadata.creator,
        "created": date(metadata.initial_date),
        "primary_version": metadata.primary_version,
        "versions": metadata.version_count,
        "minimum_version": metadata.minimum_version if metadata.minimum_version > 1 else None,
        "rotation": metadata.rotation_state,
        "rotation_interval": metadata.rotate_interval,
        "last_rotation": _dated(metadata.rotate_date),
        "next_rotation": _dated(metadata.next_rotation_date),
        "deletion_date": _dated(metadata.deletion_date),
        "material_expires": _dated(metadata.material_expire_time),
        "deletion_protection": metadata.deletion_protection,
        "deletion_protection_description": metadata.deletion_protection_description,
        "tags": {tag.tag_key: tag.tag_value for tag in metadata.tags},
    }
    return {name: value for name, value in shown.items() if value not in (None, [], {})}


def _dated(seconds: int | None) -> str | None:
    return None if seconds is None else date(seconds)
