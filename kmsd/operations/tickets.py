"""Tickets of Login and Delegated Login (KMIP 2.1 §6.1.30, §6.1.12): bearer secrets, kept as digests, in memory.

A Login ticket stands for the credential of the client that got it, on that client's own connections. A delegated one
may be used by any client of the tenant, within the rights it was given. Neither outlives the daemon.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from protocol.administration import Right
from protocol.enums import ResultReason, TicketType
from protocol.structures import Ticket

_SIZE = 32


@dataclass(slots=True)
class Entry:
    """A ticket that is valid, as the server knows it."""

    issuer: Identity
    expires: int
    """POSIX seconds."""
    left: int | None
    """Requests; None sets no limit."""
    rights: tuple[Right, ...] | None
    """None for a Login ticket."""


class Tickets:
    """All valid tickets of a process."""

    def __init__(self, *, lifetime: float, per_client: int) -> None:
        self.limit(lifetime=lifetime, per_client=per_client)
        self._entries: dict[bytes, Entry] = {}

    def limit(self, *, lifetime: float, per_client: int) -> None:
        """`lifetime`: seconds at most, of new ones; `per_client`: tickets at once."""
        self.lifetime = int(lifetime)
        self._per_client = per_client

    def revise(self, current: Callable[[Identity], Identity | None]) -> None:
        """Let each ticket be of its issuer as `current` has it now; None ends it."""
        for digest, entry in list(self._entries.items()):
            issuer = current(entry.issuer)
            if issuer is None:
                del self._entries[digest]
            else:
                entry.issuer = issuer

    def issue(
        self, issuer: Identity, expires: int, requests: int | None, rights: tuple[Right, ...] | None, now: int
    ) -> Ticket:
        """A new ticket. Raises KmsError Server Limit Exceeded where the client has as many as it may."""
        self._entries = {digest: entry for digest, entry in self._entries.items() if entry.expires > now}
        mine = sum(
            (entry.issuer.tenant, entry.issuer.client) == (issuer.tenant, issuer.client)
            for entry in self._entries.values()
        )
        if mine >= self._per_client:
            raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, f"more than {self._per_client} tickets at once")
        value = os.urandom(_SIZE)
        self._entries[_digest(value)] = Entry(issuer, expires, requests, rights)
        return Ticket(ticket_type=TicketType.LOGIN, ticket_value=value)

    def redeem(self, ticket: Ticket, bearer: Identity, now: int, users: Collection[str] = ()) -> Entry:
        """The ticket, one request of it used; `users` share the bearer's certificate. Raises KmsError Invalid
        Ticket."""
        entry = self._find(ticket, bearer, now)
        if entry.rights is None and entry.issuer.client not in (bearer.client, *users):
            raise _invalid()
        if entry.left is not None:
            if entry.left == 0:
                raise _invalid()
            entry.left -= 1
        return entry

    def withdraw(self, ticket: Ticket) -> None:
        """As if it had not been issued."""
        self._entries.pop(_digest(ticket.ticket_value), None)

    def restore(self, ticket: Ticket, entry: Entry) -> None:
        """As if it had not ended."""
        self._entries[_digest(ticket.ticket_value)] = entry

    def end(self, ticket: Ticket, bearer: Identity, now: int) -> Entry:
        """Make the ticket invalid, for whoever asked for it. Raises KmsError Invalid Ticket."""
        entry = self._find(ticket, bearer, now)
        if entry.issuer.client != bearer.client:
            raise _invalid()
        return self._entries.pop(_digest(ticket.ticket_value))

    def _find(self, ticket: Ticket, bearer: Identity, now: int) -> Entry:
        entry = self._entries.get(_digest(ticket.ticket_value))
        known = entry is not None and ticket.ticket_type == TicketType.LOGIN
        if entry is None or not known or entry.issuer.tenant != bearer.tenant or entry.expires <= now:
            raise _invalid()
        return entry


def _digest(value: bytes) -> bytes:
    """What is looked up: how long that takes tells nothing of a valid ticket."""
    return hashlib.sha256(value).digest()


def _invalid() -> KmsError:
    return KmsError(ResultReason.INVALID_TICKET, "the ticket is not valid, or no longer")
