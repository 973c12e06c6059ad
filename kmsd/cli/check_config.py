"""`kmsd check-config`: every mistake of a configuration, without starting the daemon."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kmsd.config.loader import load
from kmsd.config.settings import Settings
from kmsd.config.source import ConfigurationError


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="/etc/kmsd/kmsd.yaml", show_default=True)
def check_config(path: Path) -> None:
    """Check a configuration as a start would, and exit with 1 where it has a mistake.

    Mistakes go to standard error, one line each: file:line: path: what is wrong.
    """
    try:
        settings = load(path)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"{path}: ok: {_summary(settings)}")


def _summary(settings: Settings) -> str:
    clients = sum(len(tenant.clients) for tenant in settings.tenants.values())
    keys = sum(len(tenant.keys) for tenant in settings.tenants.values())
    counts = {
        "listener": len(settings.listeners),
        "HSM": len(settings.hsms),
        "tenant": len(settings.tenants),
        "client": clients,
        "declared key": keys,
    }
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())
