"""Who asks: a client of a tenant, and the roles it has."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """A client as its certificate (and its Credential, where the tenant asks for one) has proven it."""

    tenant: str
    client: str
    roles: tuple[str, ...]
    by_ticket: bool = field(default=False, compare=False)
    """Not by its own credential: a ticket of Login or Delegated Login stands for it."""
