"""What goes in and out of a command: a file or standard input, a file or standard output, in base64 or not."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

Write = Callable[[bytes], None]
Command = Callable[..., None]


def from_file(command: Command) -> Command:
    """[FILE], as `source`."""
    return click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")(command)


def to_file(command: Command) -> Command:
    """--output and --base64, as `output` and `as_base64`."""
    output = click.option(
        "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: standard output]"
    )
    return output(click.option("--base64", "as_base64", is_flag=True, help="Write base64.")(command))


def exists(path: Path) -> bool:
    """Whether there is such a file. Raises ClickException where the system does not tell, as in another's directory."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    return True


@contextmanager
def destination(
    path: Path | None, *, secret: bool = False, as_base64: bool = False, as_text: bool = False
) -> Iterator[Write]:
    """What writes to a file, or to standard output.

    The file has its name once all is written, and nothing of it is left where the block does not come to its end. A
    secret's file is for its owner only. Bytes that are no text (`as_text` says they are) are not written to a
    terminal: UsageError.
    """
    if path is None:
        if sys.stdout.isatty() and not (as_base64 or as_text or secret):
            raise click.UsageError("these bytes would confuse a terminal: use --output or --base64")
        with _armoured(sys.stdout.buffer.write, as_base64) as put:
            yield put
        sys.stdout.buffer.flush()
        return
    with _replacing(path, secret) as write, _armoured(write, as_base64) as put:
        yield put


@contextmanager
def _replacing(path: Path, secret: bool) -> Iterator[Callable[[bytes], Any]]:
    target = path.resolve()
    with _naming(path):
        before = target.stat() if target.exists() else None
        regular = before is None or stat.S_ISREG(before.st_mode)
        # A device or a pipe is written to; it is not ours to replace.
        part = target.with_name(f".kmsd-{secrets.token_hex(8)}.part") if regular else target
        flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if regular else 0)
        descriptor = os.open(part, flags, 0o600 if secret else 0o666)
    try:
        # Unbuffered: pieces are large, and so closing has nothing left to fail with.
        with os.fdopen(descriptor, "wb", buffering=0) as file, _stopped_by_signals():
            if regular and before is not None and not secret:
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))

            def write(data: bytes) -> None:
                rest = memoryview(data)
                with _naming(path):
                    while rest:
                        rest = rest[file.write(rest) :]

            yield write
            with _naming(path):
                if regular:
                    os.fsync(descriptor)
                    part.replace(target)
    except BaseException:
        if regular:
            part.unlink(missing_ok=True)
        raise


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What the system refuses becomes a message that says of which file."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as an exception does, so that it can clean up. SIGINT does so by itself."""

    def stop(number: int, _frame: Any) -> NoReturn:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread()
    wanted = (signal.SIGTERM, signal.SIGHUP) if ours else ()
    # Who ignores a signal (nohup) goes on doing so.
    before = {number: signal.signal(number, stop) for number in wanted if signal.getsignal(number) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---- base64 -----------------------------------------------------------------------------------------------------
@contextmanager
def _armoured(write: Callable[[bytes], Any], as_base64: bool) -> Iterator[Write]:
    if not as_base64:
        yield write
        return
    rest = b""

    def put(data: bytes) -> None:
        nonlocal rest
        data = rest + data
        whole = len(data) - len(data) % 3
        rest = data[whole:]
        write(base64.b64encode(data[:whole]))

    yield put
    write(base64.b64encode(rest) + b"\n")


def unarmoured(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What is in base64 in these pieces, in pieces. Raises ValueError."""
    rest = b""
    try:
        for piece in pieces:
            rest += b"".join(piece.split())
            whole = len(rest) - len(rest) % 4
            yield base64.b64decode(rest[:whole], validate=True)
            rest = rest[whole:]
        base64.b64decode(rest, validate=True)
    except binascii.Error as error:
        raise ValueError("its base64 is damaged") from error
