"""Standard output that says what is wrong with it: a full disk is a message, and no traceback."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

import click


class OutputFailed(click.ClickException):
    """Standard output took not all that was written."""

    exit_code = 1

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")


class _Output(io.FileIO):
    """A descriptor that is said to be standard output when it fails, once: then the rest has nowhere to go."""

    _failed = False

    def write(self, data: Any) -> int:
        if self._failed:
            # At its end the interpreter writes what is still in buffers.
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            # Who reads no more wants to hear nothing more.
            if error.errno == errno.EPIPE:
                raise
            self._failed = True
            raise OutputFailed(error) from error


def say_what_fails() -> None:
    """Put such an output in place of sys.stdout, if that is a file of the system: tests have others."""
    stdout = sys.stdout
    buffer = getattr(stdout, "buffer", None)
    # Unbuffered (python -u), it is the file itself.
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(stdout, io.TextIOWrapper) or not isinstance(raw, io.FileIO) or isinstance(raw, _Output):
        return
    stdout.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(raw.fileno(), "wb", closefd=False)),
        encoding=stdout.encoding,
        errors=stdout.errors,
        line_buffering=stdout.line_buffering,
        write_through=stdout.write_through,
    )
