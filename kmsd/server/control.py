"""How an operator asks the running daemon to reload, and hears what became of it: a socket beside the store.

One line is sent, `reload`, and one comes back, a JSON object with `done` and `lines`. The socket is its owner's alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

ORDER = b"reload\n"
_PATIENCE = 5.0
"""Seconds for the order to arrive, and for the answer to be taken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reload: what has changed, or why nothing has."""

    done: bool
    lines: tuple[str, ...]

    @property
    def status(self) -> str:
        """In one line."""
        if self.done:
            return f"reloaded, changes: {len(self.lines)}"
        more = f" (and {len(self.lines) - 1} more)" if len(self.lines) > 1 else ""
        return f"not reloaded: {self.lines[0]}{more}"


class NobodyServes(Exception):
    """No daemon listens there, or it went away before it answered."""


def socket_of(store: Path, configuration: Path) -> Path:
    """The control socket of the daemon that serves this configuration file with this store. Two daemons may share a
    store, each with a configuration of its own."""
    digest = hashlib.sha256(os.fsencode(configuration.resolve())).hexdigest()[:8]
    return store.with_name(f"{store.name}-control-{digest}")


async def serve_control(
    path: Path,
    reload: Callable[[], Awaitable[Outcome]],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Take orders until cancelled. Raises OSError where the socket cannot be made."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            order = b""
            with trio.move_on_after(_PATIENCE), suppress(trio.BrokenResourceError):
                order = await stream.receive_some(len(ORDER))
            if order != ORDER:
                return
            outcome = await reload()
            answer = json.dumps({"done": outcome.done, "lines": outcome.lines}).encode() + b"\n"
            with trio.move_on_after(_PATIENCE), suppress(trio.BrokenResourceError):
                # Who has asked and gone finds it in the log.
                await stream.send_all(answer)

    with _bound(path) as sock:
        task_status.started()
        await trio.serve_listeners(handle, [trio.SocketListener(trio.socket.from_stdlib_socket(sock))])


def ask(path: Path, patience: float) -> Outcome:
    """Order a reload and wait for its outcome. Blocks; raises NobodyServes, TimeoutError after `patience` seconds."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(patience)
            with _short(path) as name:
                sock.connect(name)
            sock.sendall(ORDER)
            with sock.makefile("rb") as answers:
                answer = answers.readline()
    except TimeoutError:
        raise
    except OSError as error:
        raise NobodyServes(f"{path}: {error.strerror}") from error
    if not answer.endswith(b"\n"):
        raise NobodyServes(f"{path}: no answer")
    found: dict[str, Any] = json.loads(answer)
    return Outcome(found["done"], tuple(found["lines"]))


@contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """A listening socket that only its owner can connect to; one that a killed daemon left makes room for it.

    Raises OSError where the one that is there answers.
    """
    if _answers(path):
        raise OSError(errno.EADDRINUSE, f"another daemon serves this configuration: it answers at {path}")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        before = os.umask(0o177)
        try:
            with _short(path) as name:
                sock.bind(name)
        finally:
            os.umask(before)
        mine = path.stat().st_ino
        try:
            sock.listen()
            yield sock
        finally:
            # Unless another daemon has taken its place.
            if path.exists() and path.stat().st_ino == mine:
                path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_PATIENCE)
        try:
            with _short(path) as name:
                sock.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """The same socket by a name that fits: unix(7) allows 107 bytes."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
