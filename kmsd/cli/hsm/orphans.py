"""`kmsd hsm orphans`: the tokens held against the store."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import click

from kmsd.audit import record_of
from kmsd.cli.files import exists
from kmsd.cli.hsm.place import config_option, configured
from kmsd.cli.key_values import Duration
from kmsd.cli.output import say_json, say_table
from kmsd.cli.values import date
from kmsd.config.settings import Settings
from kmsd.domain.records import AuditRecord, Origin
from kmsd.operations.orphans import (
    MAKING_TIME,
    NOBODY,
    REMOVAL,
    Finding,
    Verdict,
    compare,
    rows,
    unknown_tenants,
)
from kmsd.storage.store import Store
from protocol.enums import ResultStatus

_COLUMNS = ("HSM", "Tenant", "What", "Key", "Made")


class _Found(NamedTuple):
    """A finding, and the HSM of the configuration that it is about."""

    hsm: str
    finding: Finding


@click.command("orphans")
@config_option
@click.option("--tenant", help="Only this tenant's keys.")
@click.option(
    "--older-than",
    type=Duration(),
    default=f"{MAKING_TIME}s",
    show_default=True,
    help="While a daemon runs: younger keys may be those that a request is making.",
)
@click.option("--destroy", is_flag=True, help="Destroy orphans and remnants on the token, for good.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead.")
def show_orphans(path: Path, *, tenant: str | None, older_than: int, destroy: bool, yes: bool, as_json: bool) -> None:
    """Show the keys that are on a token and not in the store, or in the store and not on the token.

    \b
    orphan      on the token, no object names it: a kill between the two, or a store older than the token
    remnant     of an object that has given it up since; the daemon removes it at its next start
    being made  perhaps: young, and a daemon is running
    missing     an object whose key the token does not have
    unreadable  of an object whose row in the store is damaged; --destroy leaves it alone
    tenant key  of a tenant that neither the store nor the configuration knows

    Exits with 1 where there is any. Nothing is destroyed but by --destroy; the keys of a tenant that is not known, only
    where --tenant names it.
    """
    with configured(path) as settings, _Place(settings, tenant, older_than) as place:
        found = place.look()
        if tenant is not None and tenant not in settings.tenants and not found:
            # One that the configuration has lost may have left its keys.
            raise click.BadParameter(
                f"the configuration has no tenant {tenant!r}, and no token has its keys", param_hint="--tenant"
            )
        if destroy:
            found = _destroy(place, found, named=tenant is not None, yes=yes, as_json=as_json)
        _say(found, as_json)
    if found:
        sys.exit(1)


class _Place:
    """The store and the tokens of a configuration, opened."""

    def __init__(self, settings: Settings, tenant: str | None, older_than: int) -> None:
        self._settings = settings
        self._tenant = tenant
        self._older_than = older_than
        self._closing = ExitStack()

    def __enter__(self) -> _Place:
        from kmsd.server.tokens import log_in  # noqa: PLC0415 (PKCS#11, once the configuration is sound)

        path = self._settings.store.sqlite
        if not exists(path):
            # Looking must not make a store.
            raise click.ClickException(f"{path}: there is no store")
        with ExitStack() as opened:
            self._store = opened.enter_context(Store.open(path))
            self._pools = {name: log_in(name, hsm, opened) for name, hsm in self._settings.hsms.items()}
            self._closing = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.close()

    def look(self) -> list[_Found]:
        with closing(self._store.presence()) as presence:
            return list(self._found(alone=presence.alone))

    def _found(self, *, alone: bool) -> Iterator[_Found]:
        from kmsd.crypto.hsm import inventory  # noqa: PLC0415

        since = NOBODY if alone else time.time() - self._older_than
        for name, pool in self._pools.items():
            tenants = [t for t, tenant in self._settings.tenants.items() if tenant.hsm_name == name]
            before = rows(self._store, tenants)
            holdings = inventory.look(pool, None)
            for finding in (
                *compare(self._store, before, holdings, since),
                *unknown_tenants(self._store, holdings, self._settings.tenants),
            ):
                if self._tenant in (None, finding.tenant):
                    yield _Found(name, finding)

    def destroy(self, found: list[_Found]) -> tuple[int, list[_Found]]:
        """Destroy what is still found now; how many that was, and what is found after it."""
        from kmsd.crypto.hsm import inventory  # noqa: PLC0415

        with closing(self._store.presence()) as presence:
            # Once more: the answer may have taken a while.
            still = set(self._found(alone=presence.alone)) & set(found)
            count = 0
            for each in still:
                # First that it is to go: no key goes without a record of it, whatever happens meanwhile.
                self._store.note([_record(each, ResultStatus.OPERATION_PENDING)])
                outcome = ResultStatus.OPERATION_FAILED
                try:
                    if inventory.discard(self._pools[each.hsm], each.finding.label, each.finding.key_id):
                        outcome = ResultStatus.SUCCESS
                        count += 1
                finally:
                    self._store.note([_record(each, outcome)])
            return count, list(self._found(alone=presence.alone))


def _record(found: _Found, result: ResultStatus) -> AuditRecord:
    """The audit record of a key's destruction by who runs this command."""
    finding = found.finding
    origin = Origin(finding.tenant, f"operator {os.getuid()}", "")
    uids = (finding.uid,) if finding.uid else ()
    record = record_of(time.time_ns() // 1000, origin, REMOVAL, result.name, None, uids)
    return record._replace(detail=f"{found.hsm}: {finding.verdict} {finding.key_id.decode(errors='replace')}")


def _destroy(place: _Place, found: list[_Found], *, named: bool, yes: bool, as_json: bool) -> list[_Found]:
    doomed = {Verdict.ORPHAN, Verdict.REMNANT, *((Verdict.TENANT_KEY,) if named else ())}
    wanted = [each for each in found if each.finding.verdict in doomed]
    if not wanted:
        return found
    if not yes:
        if not as_json:
            _say(wanted, as_json)
        click.confirm(f"Destroy {len(wanted)} on the token for good?", abort=True, err=True)
    count, left = place.destroy(wanted)
    click.echo(f"{count} destroyed", err=True)
    return left


def _say(found: list[_Found], as_json: bool) -> None:
    if as_json:
        say_json([_document(each) for each in found])
    elif found:
        say_table(_COLUMNS, [_row(each) for each in found])
    else:
        click.echo("the store and the tokens have the same keys")


def _document(found: _Found) -> dict[str, Any]:
    finding = found.finding
    return {
        "hsm": found.hsm,
        "tenant": finding.tenant,
        "what": finding.verdict.value,
        "unique_identifier": finding.uid or None,
        "cka_id": finding.key_id.decode(errors="replace"),
        "made": finding.made,
    }


def _row(found: _Found) -> tuple[str, ...]:
    finding = found.finding
    made = date(finding.made) if finding.made is not None else ""
    return found.hsm, finding.tenant, finding.verdict.value, finding.key_id.decode(errors="replace"), made
