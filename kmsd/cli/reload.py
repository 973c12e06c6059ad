"""`kmsd reload`: let the running daemon take up its configuration, and say what became of it."""

from __future__ import annotations

from pathlib import Path

import click

from kmsd.cli.connect import NotConnected, Refused
from kmsd.config.loader import store_of
from kmsd.config.source import ConfigurationError
from kmsd.server.control import NobodyServes, ask, socket_of


@click.command("reload")
@click.option("--config", "path", type=click.Path(path_type=Path), default="/etc/kmsd/kmsd.yaml", show_default=True)
@click.option("--timeout", type=click.FloatRange(min=1), default=90.0, show_default=True, help="Seconds to wait.")
def reload_daemon(path: Path, timeout: float) -> None:
    """Reload the daemon that serves this configuration, and wait for the outcome.

    Prints what has changed. Exits with 1 where the daemon refuses, with every reason on standard error, and keeps the
    configuration that it has; with 3 where no daemon answers.
    """
    try:
        outcome = ask(socket_of(store_of(path), path), timeout)
    except ConfigurationError as error:
        raise Refused(f"not reloaded:\n{error}") from error
    except NobodyServes as error:
        raise NotConnected(f"no daemon serves this configuration with its store: {error}") from error
    except TimeoutError as error:
        raise NotConnected(f"the daemon has not answered in {timeout:g} s; its log tells the outcome") from error
    if not outcome.done:
        raise Refused("\n".join(("not reloaded:", *outcome.lines)))
    click.echo("\n".join((f"reloaded, changes: {len(outcome.lines)}", *(f"  {line}" for line in outcome.lines))))
