"""The README's tables that the code knows better; `python -m tests.readme_tables` writes them into it anew."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from kmsd.operations import HANDLERS
from kmsd.operations.declined import DECLINED
from kmsd.operations.profiles import PROFILES
from kmsd.server.identity import DECLINED as DECLINED_CREDENTIALS
from protocol.enums import XML_NAMES, CredentialType, Operation, ProfileName
from protocol.member_names import names_of
from protocol.operations import OPERATIONS
from protocol.structures import CREDENTIAL_VALUES
from protocol.versions import SUPPORTED
from tests.conformance.cases import all_cases
from tests.conformance.exceptions import EXCEPTIONS
from tests.shared import SHARED

README = Path(__file__).parent.parent / "README.md"
NEEDS = {"Interop": "where the tenant says `interop: true`", "Certify": "with a certificate authority"}
NEEDS["ReCertify"] = NEEDS["Certify"]
TAKEN = {
    CredentialType.USERNAME_AND_PASSWORD: "where the client or user is declared with a `password`",
    CredentialType.DEVICE: "where it is declared with a `device`: all of the declared fields must be right",
    CredentialType.TICKET: "of Login and Delegated Login, in place of another credential",
}


def operations() -> Iterator[str]:
    yield "| operation | KMIP | |"
    yield "| --- | --- | --- |"
    newest = max(SUPPORTED)
    for name, operation in sorted(names_of(Operation).items(), key=lambda item: (not item[1].known, item[0])):
        spec = OPERATIONS.get(operation)
        if spec is None or not (operation in HANDLERS or operation in DECLINED):
            continue
        until = spec.until or newest
        versions = str(until) if spec.since == until else f"{spec.since} to {until}"
        note = NEEDS.get(name, "" if operation.known else "kmsd's own")
        if operation in DECLINED:
            note = f"**not served**: {DECLINED[operation]}"
        yield f"| {name} | {versions} | {note} |".replace("|  |", "| |")


def credentials() -> Iterator[str]:
    yield "| credential | |"
    yield "| --- | --- |"
    for kind in CREDENTIAL_VALUES:
        name = kind.name.replace("_", " ").title().replace(" And ", " and ")
        yield f"| {name} | {TAKEN[kind] if kind in TAKEN else f'**not taken**: {DECLINED_CREDENTIALS[kind]}'} |"


def cases() -> Iterator[str]:
    """What `./run conformance` prints, in fewer columns; a failure is one of the tests, too."""
    yield "| cases | files | passed | with a known exception |"
    yield "| --- | ---: | ---: | ---: |"
    rows: dict[str, Counter[str]] = {}
    for case in all_cases():
        version, kind, name = str(case).split("/")
        outcome = "exception" if name in EXCEPTIONS else "passed"
        rows.setdefault(f"{version} {kind}", Counter())[outcome] += 1
    rows["all"] = sum(rows.values(), Counter())
    for row, found in rows.items():
        yield f"| {row} | {found.total()} | {found['passed']} | {found['exception']} |"


def exceptions() -> Iterator[str]:
    yield "| case | why it is not passed as it stands |"
    yield "| --- | --- |"
    by_reason: dict[str, list[str]] = {}
    for name, exception in EXCEPTIONS.items():
        by_reason.setdefault(exception.reason, []).append(name)
    for reason, names in by_reason.items():
        yield f"| {', '.join(names)} | {reason} |"


def profiles() -> Iterator[str]:
    yield "| profile | of KMIP | proven by all cases named |"
    yield "| --- | --- | --- |"
    spelling: Mapping[int, str] = XML_NAMES[ProfileName]
    versions: dict[tuple[str, str], list[str]] = {}
    for profile in PROFILES:
        for version, name in profile.names.items():
            base = spelling[name].partition("KMIPV")[0]
            versions.setdefault((base, profile.cases), []).append(str(version))
    for (base, prefix), about in versions.items():
        yield f"| {base} | {', '.join(sorted(about))} | {prefix} |"


TABLES = {"credentials": credentials, "operations": operations, "exceptions": exceptions, "profiles": profiles}
if SHARED is not None:
    TABLES["cases"] = cases


def rewritten(text: str) -> str:
    """The text with each table as the code has it; a table is known by its first line."""
    for make in TABLES.values():
        lines = list(make())
        table = "\n".join(lines)
        text, found = re.subn(rf"{re.escape(lines[0])}\n(?:\|.*\n)*", lambda _: f"{table}\n", text)  # noqa: B023
        if found != 1:
            raise ValueError(f"the README has {found} tables that begin with {lines[0]!r}")
    return text


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text()))
