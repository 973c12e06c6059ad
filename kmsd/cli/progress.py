"""Files that take a while, read piece by piece, with a bar on standard error for who watches."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import BinaryIO

CHUNK = 1 << 20
LONG = 64 << 20
"""Bytes from which on a file takes long enough for a bar."""


@contextmanager
def chunks(source: BinaryIO, what: str, head: bytes = b"") -> Iterator[Iterator[bytes]]:
    """The file in pieces of CHUNK bytes, after the `head` that was read of it already.

    The bar is shown on a terminal only, and gone at the end of the block, whatever ends it. A pipe's shows what has
    been read, since nobody knows how much will come.
    """
    with closing(_chunks(source, what, head)) as found:
        yield found


def _chunks(source: BinaryIO, what: str, head: bytes) -> Generator[bytes, None, None]:
    size = _size(source)
    watched = sys.stderr.isatty()
    done = 0
    show: Callable[[int], None] | None = None
    with ExitStack() as shown:
        while chunk := head or source.read(CHUNK):
            head = b""
            yield chunk
            done += len(chunk)
            if show is None and watched and (done if size is None else size) >= LONG:
                show = shown.enter_context(_bar(what, size))
            if show is not None:
                show(done)


@contextmanager
def _bar(what: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Shows how many bytes are done, of how many."""
    from rich.console import Console  # noqa: PLC0415 (80 ms that only long files need)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task(what, total=size)
        yield lambda done: progress.update(task, completed=done)


def _size(source: BinaryIO) -> int | None:
    """Of a file on disk; nobody knows how long a pipe is."""
    try:
        found = os.fstat(source.fileno())
    except (OSError, AttributeError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
