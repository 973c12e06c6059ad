"""Accepting connections, and stopping without cutting off requests in work."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog
import trio

from kmsd.config.settings import Limits
from kmsd.domain.errors import render
from kmsd.server.connections import Connection, Connections, Refused

log = structlog.get_logger("kmsd.listeners")

Handler = Callable[[socket.socket, Connection], Awaitable[None]]

_BACKLOG = 512
_ACCEPTS_AT_ONCE = 16
"""New connections taken before the others have a turn: each of them means a millisecond of handshake."""

_PROBES = 4
_PROBE_INTERVAL = 15
"""A silent peer is given up a minute after the first keepalive probe."""

_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_NO_ROOM_PAUSE = 0.1
_CONNECTION_FAILED = {
    # What accept(2) reports about the one connection that it took from the queue.
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.ENONET,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
    errno.EINTR,
}


def open_listeners(
    addresses: Iterable[tuple[str, int]], *, share_port: bool = False, backlog: int = _BACKLOG
) -> list[socket.socket]:
    """Listening TCP sockets for (host, port) pairs; a host name may stand for several addresses.

    With `share_port` other processes may listen on the same ports, and the kernel spreads connections over
    them. Raises OSError that names the address; nothing stays open then.
    """
    sockets: list[socket.socket] = []
    try:
        for host, port in addresses:
            try:
                for family, _, _, _, address in socket.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                ):
                    sockets.append(_listen(family, address, share_port, backlog))
            except OSError as error:
                reason = f"cannot listen on {host} port {port}: {error.strerror}"
                raise OSError(error.errno, reason) from error
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(family: int, address: tuple[object, ...], share_port: bool, backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # "::" beside "0.0.0.0" on one port is two listeners, not a conflict.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def printable(address: Sequence[object]) -> str:
    """ "192.0.2.1:5696" or "[2001:db8::1]:5696"."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


class Server:
    """Accepts on listeners and runs `handler` for each connection, in a task of its own.

    Accepting and handling are separate nurseries, so `stop` ends the one and gives the other time.
    """

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self._handler = handler
        self._listeners: Sequence[socket.socket] = ()
        self._accepting = trio.CancelScope()
        self._handling = trio.CancelScope()
        self._refusals = _Throttle()
        self.connections = Connections(limits)

    async def serve(
        self,
        listeners: Sequence[socket.socket],
        *,
        handlers: Mapping[socket.socket, Handler] | None = None,
        task_status: trio.TaskStatus[Sequence[socket.socket]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until stopped; own the listeners, and close them first of all when stopping.

        `handlers` are for those listeners that speak something else than the others.
        """
        try:
            self._listeners = listeners
            for sock in listeners:
                _configure(sock, self.connections.limits)
            with self._handling:
                async with trio.open_nursery() as watcher:
                    watcher.start_soon(self.connections.watch)
                    async with trio.open_nursery() as connections:
                        with self._accepting:
                            async with trio.open_nursery() as accepting:
                                for sock in listeners:
                                    handler = (handlers or {}).get(sock, self._handler)
                                    accepting.start_soon(self._accept, sock, handler, connections)
                                task_status.started(listeners)
                        _close(listeners)
                        self.connections.drain()
                    watcher.cancel_scope.cancel()
            if self._handling.cancelled_caught:
                log.warning("requests cut off, the time to finish them is over")
        finally:
            _close(listeners)

    def stop(self, grace: float) -> None:
        """Accept no more, close idle connections, give requests in work `grace` seconds to be answered.

        A second call can only shorten the time.
        """
        self._handling.deadline = min(self._handling.deadline, trio.current_time() + grace)
        self._accepting.cancel()

    def apply(self, limits: Limits) -> None:
        """These limits from now on, for open connections too; keepalive for new ones."""
        self.connections.limits = limits
        for sock in self._listeners:
            if sock.fileno() != -1:
                _configure(sock, limits)

    async def _accept(self, listener: socket.socket, handler: Handler, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            for _ in range(_ACCEPTS_AT_ONCE):
                try:
                    sock, address = listener.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in _NO_ROOM:
                        log.error("cannot accept connections", cause=error.strerror)
                        await trio.sleep(_NO_ROOM_PAUSE)
                    elif error.errno not in _CONNECTION_FAILED:
                        raise
                    break
                sock.setblocking(False)
                try:
                    connection = self.connections.admit(address[0], printable(address))
                except Refused as refusal:
                    # Closed at once: a handshake would cost more than all that follows it.
                    sock.close()
                    self._refusals.warn("connection refused", address=printable(address), cause=str(refusal))
                else:
                    nursery.start_soon(self._handle, sock, handler, connection)

    async def _handle(self, sock: socket.socket, handler: Handler, connection: Connection) -> None:
        try:
            with connection.scope:
                await handler(sock, connection)
            if connection.ended:
                log.info("connection ended", address=connection.address, cause=connection.ended)
        except Exception as error:
            # A bug, and one connection's: the others go on.
            log.error("connection failed", address=connection.address, traceback=render(error))
        finally:
            sock.close()
            self.connections.remove(connection)


async def run_until_signal(
    server: Server,
    *,
    stopping: Callable[[], object] = lambda: None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Stop `server` at the first SIGTERM or SIGINT, calling `stopping` before, with the `drain_timeout` of its limits
    as grace; at the second without."""
    stopped = False
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name, connections=len(server.connections))
            stopping()
            server.stop(0 if stopped else server.connections.limits.drain_timeout)
            stopped = True


class _Throttle:
    """A warning that clients can provoke at will, at most once a second, with the number left out."""

    def __init__(self) -> None:
        self._next = 0.0
        self._left_out = 0

    def warn(self, event: str, **values: object) -> None:
        now = trio.current_time()
        if now < self._next:
            self._left_out += 1
            return
        log.warning(event, left_out=self._left_out, **values)
        self._left_out = 0
        self._next = now + 1


def _configure(listener: socket.socket, limits: Limits) -> None:
    """Accepted sockets inherit these (tcp(7)), which saves five system calls for each."""
    listener.setblocking(False)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(limits.keepalive)))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_INTERVAL)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def _close(listeners: Iterable[socket.socket]) -> None:
    for sock in listeners:
        if sock.fileno() != -1:
            trio.lowlevel.notify_closing(sock)
            sock.close()
