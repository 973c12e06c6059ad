"""`kmsd serve`: the daemon in the foreground."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import trio

from kmsd.cli.standard_output import OutputFailed
from kmsd.config.loader import load_with_source
from kmsd.config.source import ConfigurationError, Source
from kmsd.server import app, logs
from kmsd.server.errors import PIN_REFUSED, START_ERRORS, PinError, problems_of

_KNOWN = (*START_ERRORS, OutputFailed)
"""What is told without a traceback."""


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("/etc/kmsd/kmsd.yaml"),
    show_default=True,
    help="The configuration file.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def serve(path: Path, log_level: str) -> None:
    """Serve KMIP until SIGTERM or SIGINT. Says `kmsd ready` on standard output once requests are answered."""
    # Until the daemon listens to it, a request to reload has nothing to reload; by default it would be the end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logs.configure(log_level)
    try:
        settings, source = load_with_source(path)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    try:
        trio.run(app.serve, path, settings, _ready)
    except (*_KNOWN, ExceptionGroup) as error:
        for cause in _causes(error):
            for line in _lines(cause, source):
                click.echo(f"kmsd does not start: {line}", err=True)
        sys.exit(PIN_REFUSED if isinstance(error, PinError) else 1)


def _causes(error: Exception) -> Iterator[Exception]:
    """What kept the daemon from starting, out of the groups of the tasks that it ended; what else failed is raised."""
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    _, others = error.split(_KNOWN)
    if others is not None:
        raise error
    for cause in error.exceptions:
        yield from _causes(cause)


def _lines(cause: Exception, source: Source) -> list[str]:
    if problems := problems_of(cause):
        return source.error(source.mistake(*problem) for problem in problems).mistakes
    return [str(cause)]


def _ready() -> None:
    click.echo("kmsd ready")
    sys.stdout.flush()
