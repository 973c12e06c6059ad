"""What the handlers stand on: the store, the tenants with their providers, and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from kmsd.crypto.provider import DerivingProvider, Provider
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.domain.policy import TenantPolicy
from kmsd.operations.applications import Applications
from kmsd.operations.asynchronous import Requests
from kmsd.operations.attempts import Attempts
from kmsd.operations.encryptions import Encryptions
from kmsd.operations.open_streams import Streams
from kmsd.operations.permits import Permits
from kmsd.operations.quota import ObjectCounts
from kmsd.operations.tickets import Tickets
from kmsd.storage.store import Store


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant at run time: its rules, and where its keys live."""

    name: str
    policy: TenantPolicy
    software: DerivingProvider
    """The same as providers[SOFTWARE]: what needs no secret is done there."""
    providers: Mapping[ProtectionLevel, Provider]
    """SOFTWARE always; HSM where the tenant has a token."""


@dataclass(frozen=True, slots=True)
class ServerInformation:
    """What Query tells about the server; no more than a client needs."""

    vendor: str
    version: str
    https: bool = False
    """Whether there is a listener for HTTPS."""


class Watcher(Protocol):
    """Who wants to know what commits have changed."""

    def watches(self, tenant: str) -> bool:
        """Whether anybody does, of this tenant's objects."""

    def happened(self, tenant: str, events: Sequence[tuple[ManagedObject | None, ManagedObject]]) -> None:
        """Objects before (None: there was none) and after a commit."""


@dataclass(slots=True)
class Services:
    """Shared by all connections of a process."""

    store: Store
    tenants: Mapping[str, Tenant]
    """Those served now: a reload replaces them as a whole, so a request looks once."""
    clock: Callable[[], float]
    """POSIX time in seconds."""
    counts: ObjectCounts
    streams: Streams
    requests: Requests
    """Asynchronous ones."""
    tickets: Tickets
    crypto_limiter: trio.CapacityLimiter
    information: ServerInformation
    attempts: Attempts = field(default_factory=Attempts)
    """Wrong credentials."""
    encryptions: Encryptions = field(default_factory=Encryptions)
    """How often keys have encrypted."""
    permits: Permits = field(default_factory=Permits)
    """Uses of keys that were permitted."""
    applications: Applications = field(default_factory=Applications)
    """Of PKCS#11."""
    watcher: Watcher | None = None
    lease_time: int = 3600
    """Seconds, what Lease Time says."""
