"""The open connections: how many there may be, how long each may take, how they end when the daemon stops."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import trio

from kmsd.config.settings import Limits


class Refused(Exception):
    """A connection that is not served; the message is for the log, the client is told nothing."""


class Connection:
    """What is known about one connection while it is open.

    A session says what it waits for and until when; `Connections.watch` ends what takes longer. That costs an
    attribute per step, where a deadline of trio's costs microseconds.
    """

    __slots__ = (
        "_connections",
        "_keys",
        "address",
        "client",
        "due",
        "ended",
        "idle",
        "leaving",
        "scope",
        "waiting_for",
    )

    def __init__(self, connections: Connections, address: str, host: str) -> None:
        self._connections = connections
        self._keys: list[str | bytes] = [host]
        self.address = address
        self.client: object = None
        """Whoever the certificate named, once it has."""
        self.scope = trio.CancelScope()
        self.due = math.inf
        """trio.current_time() at which the connection is ended."""
        self.waiting_for = "handshake"
        self.idle = True
        """No request has begun: a stopping daemon may close it at once."""
        self.ended = ""
        """Why it was ended from outside, if it was; nothing new may begin then."""
        self.leaving = False
        """It ends after the answer that is worked on."""

    @property
    def draining(self) -> bool:
        return self.leaving or self._connections.draining

    @property
    def limits(self) -> Limits:
        """Those in force now."""
        return self._connections.limits

    def expect(self, what: str, seconds: float, *, idle: bool) -> None:
        """The session now waits for `what`, at most `seconds`."""
        self.waiting_for = what
        self.due = trio.current_time() + seconds
        self.idle = idle

    def busy(self) -> None:
        """A request is being worked on: no deadline of the connection applies."""
        self.due = math.inf
        self.idle = False

    def identify(self, certificate: bytes) -> None:
        """Count the connection for its certificate (DER), too. Raises Refused."""
        self._connections.count(self, hashlib.sha256(certificate).digest())

    def leave(self, why: str) -> None:
        """End it, now or after the answer that is worked on."""
        self.leaving = True
        if self.idle:
            self.end(why)

    def end(self, why: str) -> None:
        if not self.ended:
            self.ended = why
            self.scope.cancel()


class Connections:
    """All connections of a process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: set[Connection] = set()
        self._per_client: Counter[str | bytes] = Counter()
        self.draining = False

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, host: str, address: str) -> Connection:
        """A new connection, counted for its host until it is removed. Raises Refused.

        `connections_per_client` holds for a network address before the handshake, when nothing else is known,
        and for a certificate after it.
        """
        if self.draining:
            raise Refused("the daemon is stopping")
        if len(self._open) >= self.limits.connections:
            raise Refused(f"{self.limits.connections} connections are open")
        if self._per_client[host] >= self.limits.connections_per_client:
            raise Refused(f"{self.limits.connections_per_client} connections of this address are open")
        connection = Connection(self, address, host)
        self._per_client[host] += 1
        self._open.add(connection)
        return connection

    def count(self, connection: Connection, client: bytes) -> None:
        if self._per_client[client] >= self.limits.connections_per_client:
            raise Refused(f"{self.limits.connections_per_client} connections of this certificate are open")
        connection._keys.append(client)
        self._per_client[client] += 1

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)
        for key in connection._keys:
            self._per_client[key] -= 1
            if not self._per_client[key]:
                del self._per_client[key]
        connection._keys = []

    def drain(self) -> None:
        """Take no new work: idle connections end now, the others after the answer they are working on."""
        self.draining = True
        for connection in self.open():
            connection.leave("the daemon is stopping")

    def open(self) -> list[Connection]:
        return list(self._open)

    async def watch(self) -> None:
        """End what is overdue, at most a second late; runs until cancelled."""
        while True:
            shortest = min(self.limits.idle_timeout, self.limits.message_timeout)
            await trio.sleep(min(1.0, shortest / 4))
            now = trio.current_time()
            for connection in self.open():
                if connection.due <= now:
                    connection.end(f"no {connection.waiting_for} in time")
