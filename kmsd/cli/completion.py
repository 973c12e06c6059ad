"""`kmsd completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Write the script that completes kmsd's commands in a shell: eval "$(kmsd completion bash)"."""
    from kmsd.cli import main  # noqa: PLC0415 (the table of commands holds this one)

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(main, {}, "kmsd", "_KMSD_COMPLETE").source())
