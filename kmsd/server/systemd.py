"""What the service manager and the daemon tell each other: sd_notify(3) and sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from typing import NamedTuple

import structlog

log = structlog.get_logger("kmsd.systemd")

_FIRST_DESCRIPTOR = 3


class PassedListener(NamedTuple):
    """A listening socket of the service manager's; `name` is its FileDescriptorName=, "" if not told."""

    name: str
    socket: socket.socket


def notify(*assignments: str, environment: MutableMapping[str, str] = os.environ) -> bool:
    """Send assignments such as "READY=1" in one message; False if there is no manager, or none any more.

    A daemon is not stopped by a manager that has gone, so a failure is only logged.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(address)
            sock.sendall("\n".join(assignments).encode())
    except OSError as error:
        log.warning("service manager not notified", error=str(error), message=assignments)
        return False
    return True


def notify_ready(status: str = "", *, environment: MutableMapping[str, str] = os.environ) -> bool:
    """Start, or a reload, is complete."""
    return notify("READY=1", *([f"STATUS={status}"] if status else []), environment=environment)


def notify_reloading(*, environment: MutableMapping[str, str] = os.environ) -> bool:
    """A reload begins; `notify_ready` ends it. The time lets the manager match it to its request."""
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return notify("RELOADING=1", f"MONOTONIC_USEC={now}", environment=environment)


def notify_stopping(*, environment: MutableMapping[str, str] = os.environ) -> bool:
    """The daemon has begun to stop."""
    return notify("STOPPING=1", environment=environment)


def passed_listeners(environment: MutableMapping[str, str] = os.environ) -> list[PassedListener]:
    """The listening TCP sockets that this process was started with, in the manager's order; each call but the
    first finds none.

    Raises ValueError for a descriptor that is no listening stream socket, or for malformed variables.
    """
    process, count, names = (environment.pop(v, "") for v in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if not process or not count:
        return []
    if not process.isdecimal() or not count.isdecimal():
        raise ValueError(f"LISTEN_PID={process!r} LISTEN_FDS={count!r}: expected two numbers")
    if int(process) != os.getpid():
        # Meant for a parent of ours, which passed its environment on.
        return []
    labels = names.split(":") if names else []
    if labels and len(labels) != int(count):
        raise ValueError(f"LISTEN_FDNAMES={names!r}: expected {count} names")
    return [
        PassedListener(labels[position] if labels else "", _listening(_FIRST_DESCRIPTOR + position))
        for position in range(int(count))
    ]


def _listening(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ValueError(f"file descriptor {descriptor} is no socket: {error.strerror}") from error
    if (
        sock.family not in (socket.AF_INET, socket.AF_INET6)
        or sock.type != socket.SOCK_STREAM
        or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        sock.detach()
        raise ValueError(f"file descriptor {descriptor} is no listening TCP socket")
    sock.setblocking(False)
    return sock
