"""Answers on standard output or in a file: tables and lines for people, JSON for programs, bytes for both."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from kmsd.cli.files import destination
from kmsd.cli.values import text

_WIDE = 400


def say_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def say_record(record: Mapping[str, Any], as_json: bool) -> None:
    """One thing: `record` has JSON's names for its fields, and people read them with spaces."""
    if as_json:
        say_json(record)
        return
    shown = {name.replace("_", " "): text(value) for name, value in record.items()}
    width = max(map(len, shown))
    for name, value in shown.items():
        click.echo(f"{name:{width}}  {printable(value)}")


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Many things. Only a terminal has a width; in a file or a pipe no value is cut or wrapped."""
    from rich.console import Console  # noqa: PLC0415 (80 ms that only tables need)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        # Text: a name such as "[red]" is no markup.
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE).print(table)


def printable(value: str) -> str:
    """Names come from other people: none of them moves the cursor or changes colours."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value)


def write(
    data: bytes, path: Path | None, *, secret: bool = False, as_base64: bool = False, as_text: bool = False
) -> None:
    """All the bytes there are, as `destination` writes them."""
    with destination(path, secret=secret, as_base64=as_base64, as_text=as_text) as put:
        put(data)


def encoded(data: bytes) -> str:
    """Bytes as JSON has them where they are long: base64."""
    return base64.b64encode(data).decode()
