"""The small values of the configuration: durations, sizes, names of KMIP, files, secrets.

Each is an annotated type whose steps raise ValueError with words for the person who edits the file. What needs the
surroundings (relative paths, credentials, files that must exist) is checked only when the loader passes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from cryptography import x509

from kmsd.config.passwords import PasswordHash
from kmsd.config.reading import After, Before, Surroundings
from kmsd.config.secrets import SecretFile
from protocol.member_names import Member

ELSEWHERE = "a secret never stands in this file: put it in a credential file and write {credential: NAME}"


# Durations and sizes

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_duration(value: object) -> object:
    """Seconds of `500ms`, `10s`, `30m`, `1h`, `7d`; parts may follow each other: `1h30m`."""
    if isinstance(value, float):
        return value
    parts = re.findall(r"(\d{1,9})(ms|s|m|h|d)", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("expected a duration with its unit: 500ms, 10s, 30m, 1h, 7d")
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def parse_size(value: object) -> object:
    """Bytes of `512B`, `64KiB`, `1MiB`, `1GiB`, or a plain number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"(\d{1,9})(B|KiB|MiB|GiB)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a size: 65536, 64KiB, 1MiB, 1GiB")
    return int(match[1]) * _BYTES[match[2]]


Duration = Annotated[float, Before(parse_duration)]
Size = Annotated[int, Before(parse_size)]


# Bounds


def _unless(sound: Callable[[Any], bool], text: str) -> After:
    """A step that takes the value as it is where it is sound."""

    def check(value: object) -> object:
        if not sound(value):
            raise ValueError(text)
        return value

    return After(check)


def at_least(least: int) -> After:
    return _unless(lambda number: number >= least, f"must be at least {least}")


def at_most(most: int) -> After:
    return _unless(lambda number: number <= most, f"must be at most {most}")


def more_than(bound: int) -> After:
    return _unless(lambda number: number > bound, f"must be more than {bound}")


def at_most_long(most: int) -> After:
    return _unless(lambda text: len(text) <= most, f"at most {most} characters")


AT_LEAST_ONE = _unless(bool, "at least one needed")
NotEmpty = Annotated[str, _unless(bool, "must not be empty")]


# Names

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            "a name starts with a letter or digit, goes on with letters, digits, '.', '_' and '-', "
            "and has at most 63 characters"
        )
    return value


Label = Annotated[str, After(check_name)]
"""A name given in the configuration: of a tenant, client, role, HSM, key or credential."""


def _spelling(name: str) -> str:
    """The specification's P-256 and HMAC-SHA256 are XML's P_256 and HMAC_SHA256."""
    return name.replace("-", "_").replace(" ", "_")


def closest(name: str, known: Mapping[str, object]) -> str:
    """`, did you mean X?`, or nothing."""
    import difflib  # noqa: PLC0415 (200 KiB that only a mistake needs)

    lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), lower, 1, 0.7)
    return f", did you mean {lower[found[0]]}?" if found else ""


def named(what: str, table: Mapping[str, Member]) -> Callable[[object], Member]:
    """A validator from a name to the member of an enumeration; members pass."""
    kind = type(next(iter(table.values())))
    by_spelling = {_spelling(name): member for name, member in table.items()}

    def parse(value: object) -> Member:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise ValueError(f"expected the name of a KMIP {what}")
        member = by_spelling.get(_spelling(value))
        if member is None:
            raise ValueError(f"{value!r} is no KMIP {what}{closest(value, table)}")
        return member

    return parse


def choice(kind: type[Enum]) -> Callable[[object], object]:
    """A validator from the value of one of our own enumerations; members pass."""

    def parse(value: object) -> object:
        try:
            return kind(value)
        except ValueError:
            expected = " or ".join(str(member.value) for member in kind)
            raise ValueError(f"expected {expected}") from None

    return parse


# Files


def _path(text: str) -> Path:
    if not text or "\0" in text or "\n" in text:
        raise ValueError("expected the path of a file")
    return Path(text)


def resolve(value: object, around: Surroundings | None) -> object:
    """A path; a relative one starts at the configuration file's directory."""
    if isinstance(value, str):
        value = _path(value)
    if isinstance(value, Path) and around is not None:
        return around.base / value
    return value


def _exists(path: Path) -> bool:
    """Raises ValueError where the system does not tell, as in a directory that is not open to this user."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    return True


def check_readable(path: Path, around: Surroundings | None) -> Path:
    if around is not None:
        if not _exists(path):
            raise ValueError(f"{path}: no such file")
        if not path.is_file():
            raise ValueError(f"{path}: not a regular file")
        if not os.access(path, os.R_OK):
            raise ValueError(f"{path}: not readable for this user")
    return path


def check_certificates(path: Path, around: Surroundings | None) -> Path:
    check_readable(path, around)
    if around is not None:
        try:
            x509.load_pem_x509_certificates(path.read_bytes())
        except ValueError:
            raise ValueError(f"{path}: holds no certificate in PEM form") from None
    return path


AnyPath = Annotated[Path, Before(resolve, placed=True)]
ReadablePath = Annotated[AnyPath, After(check_readable, placed=True)]
CertificatePath = Annotated[AnyPath, After(check_certificates, placed=True)]


# Secrets


def credential(value: object, around: Surroundings | None) -> SecretFile:
    """`{credential: NAME}` to the file of that name in the credential directory."""
    if isinstance(value, SecretFile):
        return value
    if not isinstance(value, dict) or set(value) != {"credential"}:
        raise ValueError(ELSEWHERE)
    name = value["credential"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("expected the name of a file in the credential directory")
    if around is None or around.credentials is None:
        raise ValueError(f"credential {name!r}: set credentials.directory, or $CREDENTIALS_DIRECTORY as systemd does")
    file = SecretFile(around.credentials / name, private=around.private)
    if not _exists(file.path):
        raise ValueError(f"unknown credential {name!r}: no file {file.path}")
    file.check()
    return file


def secret_file(value: object, around: Surroundings | None) -> SecretFile:
    """A credential, or the path of a file that only its owner can read."""
    if isinstance(value, str):
        if "-----BEGIN" in value:
            raise ValueError(ELSEWHERE)
        file = SecretFile(_path(value) if around is None else around.base / _path(value))
        if around is not None:
            file.check()
        return file
    return credential(value, around)


def password(value: object, around: Surroundings | None) -> PasswordHash:
    """A PHC string, in place or in a credential file."""
    if isinstance(value, PasswordHash):
        return value
    if isinstance(value, str):
        return PasswordHash(value)
    return PasswordHash(credential(value, around).read().text())


def holding(parse: Callable[[SecretFile], object]) -> Callable[[SecretFile, Surroundings | None], SecretFile]:
    """A validator that the file holds what `parse` reads."""

    def check(file: SecretFile, around: Surroundings | None) -> SecretFile:
        if around is not None:
            parse(file)
        return file

    return check


Credential = Annotated[SecretFile, Before(credential, placed=True)]
SecretPath = Annotated[SecretFile, Before(secret_file, placed=True)]
Password = Annotated[PasswordHash, Before(password, placed=True)]
