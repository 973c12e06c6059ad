"""`kmsd plan`: what a configuration would make and change, before it is applied."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from kmsd.cli.files import exists
from kmsd.config.loader import load
from kmsd.config.settings import Settings
from kmsd.config.source import ConfigurationError
from kmsd.domain.declared_keys import Difference, Kind, plan
from kmsd.operations.declared import compare_keys
from kmsd.operations.declared_cmks import stored_cmks
from kmsd.storage.store import Store

_MARKS = {
    Kind.CREATE: "+",
    Kind.CHANGE: "~",
    Kind.SAME: " ",
    Kind.IMPOSSIBLE: "!",
    Kind.LEFT_ALONE: "!",
    Kind.UNDECLARED: "=",
}


@click.command("plan")
@click.option("--config", "path", type=click.Path(path_type=Path), default="/etc/kmsd/kmsd.yaml", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead.")
def show_plan(path: Path, as_json: bool) -> None:
    """Show what start or reload would do to the declared keys, and change nothing.

    Exits with 1 where the configuration has a mistake, or declares what cannot be: what a key is made of never changes.
    Of CMKs, start and reload then refuse the configuration; any other key stays as it is.
    """
    try:
        settings = load(path)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    found = differences(settings)
    if as_json:
        document = {
            tenant: [{**asdict(difference), "kind": difference.kind.value} for difference in entries]
            for tenant, entries in found.items()
        }
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(_text(found))
    if any(difference.kind is Kind.IMPOSSIBLE for entries in found.values() for difference in entries):
        sys.exit(1)


def differences(settings: Settings) -> dict[str, list[Difference]]:
    """By tenant: its declared CMKs, then its other declared keys, which are made and never changed."""
    path = settings.store.sqlite
    if not exists(path):
        # Looking must not make a store that the daemon then could not write to.
        return {
            name: plan(tenant.declarations, ()) + [Difference(key, Kind.CREATE) for key in tenant.keys]
            for name, tenant in settings.tenants.items()
        }
    with Store.open(path) as store:
        return {
            name: plan(tenant.declarations, stored_cmks(store, name)) + compare_keys(store, name, tenant)
            for name, tenant in settings.tenants.items()
        }


def _text(found: dict[str, list[Difference]]) -> str:
    lines = []
    for tenant, entries in found.items():
        for difference in entries:
            lines.append(f"{_MARKS[difference.kind]} {tenant}/{difference.name}: {difference.kind.value}")
            lines += [f"      {c.field}: {c.before or 'none'} -> {c.after or 'none'}" for c in difference.changes]
            lines += [f"      {alias} names another key, and is left to it" for alias in difference.taken]
    return "\n".join(lines) or "nothing is declared"
