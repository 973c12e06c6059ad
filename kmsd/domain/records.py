"""What is written down about each request, as plain values: no secret, no payload."""

from __future__ import annotations

from typing import NamedTuple


class Origin(NamedTuple):
    """Where a request came from, as its audit records say it."""

    tenant: str
    client: str
    address: str
    server_correlation_value: str | None = None
    """What the response says that the request is called here."""
    client_correlation_value: str | None = None
    """What the client calls it."""


class AuditRecord(NamedTuple):
    """One outcome of one request item: who asked what of which object, from where, and how it ended.

    `time` is in microseconds since 1970, UTC. The store gives each record its sequence number when it
    commits.
    """

    time: int
    tenant: str
    client: str
    address: str
    operation: str
    uid: str | None
    result: str
    reason: str | None = None
    detail: str | None = None
    server_correlation_value: str | None = None
    client_correlation_value: str | None = None
