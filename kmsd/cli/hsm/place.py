"""What the commands about tokens share: a configuration, its tokens logged in to, errors as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from kmsd.config.loader import load
from kmsd.config.settings import Settings
from kmsd.config.source import ConfigurationError
from kmsd.crypto.errors import CryptoError
from kmsd.server import logs
from kmsd.server.errors import PIN_REFUSED, START_ERRORS, PinError

config_option = click.option(
    "--config", "path", type=click.Path(path_type=Path), default="/etc/kmsd/kmsd.yaml", show_default=True
)


@contextmanager
def configured(path: Path) -> Iterator[Settings]:
    """The configuration; what goes wrong with it or its tokens ends the command, with 78 where a token refuses the
    PIN and 1 otherwise."""
    logs.configure("error")
    try:
        yield load(path)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except PinError as error:
        click.echo(str(error), err=True)
        sys.exit(PIN_REFUSED)
    except (*START_ERRORS, CryptoError) as error:
        raise click.ClickException(str(error)) from error
