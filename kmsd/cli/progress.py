"""Files that take a while, read piece by piece, with a bar on standard error for who watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

CHUNK = 1 << 20
LONG = 64 << 20
"""Bytes from which on a file takes long enough for a bar."""


def chunks(source: BinaryIO, what: str) -> Iterator[bytes]:
    """The file in pieces of CHUNK bytes; the bar only on a terminal, and for a file of known size."""
    size = _size(source)
    if size is None or size < LONG or not sys.stderr.isatty():
        while chunk := source.read(CHUNK):
            yield chunk
        return
    from rich.console import Console  # noqa: PLC0415 (80 ms that only long files need)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task(what, total=size)
        while chunk := source.read(CHUNK):
            yield chunk
            progress.advance(task, len(chunk))


def _size(source: BinaryIO) -> int | None:
    try:
        return os.fstat(source.fileno()).st_size
    except (OSError, AttributeError):
        return None
