"""What the items of one request share, from its first item to its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from kmsd.domain.identity import Identity
from kmsd.domain.objects import ManagedObject
from kmsd.domain.policy import Grants
from kmsd.domain.records import Origin
from kmsd.operations.effects import Effect
from kmsd.operations.services import Services, Tenant
from protocol.enums import Operation
from protocol.versions import ProtocolVersion

_NOBODY = Origin("", "", "")
_NO_IDENTIFIERS: Mapping[Operation, Sequence[str]] = MappingProxyType({})


class Batch:
    """What the items of one request share. `pending` holds changes not yet committed, in order of first change."""

    __slots__ = (
        "after_commit",
        "data",
        "grants",
        "identifiers",
        "identity",
        "now",
        "on_rollback",
        "origin",
        "pending",
        "placeholder",
        "services",
        "tenant",
        "version",
    )

    def __init__(
        self,
        services: Services,
        tenant: Tenant,
        identity: Identity,
        grants: Grants,
        version: ProtocolVersion,
        now: int,
        origin: Origin = _NOBODY,
    ) -> None:
        self.services = services
        self.tenant = tenant
        self.identity = identity
        self.grants = grants
        self.version = version
        self.now = now
        """POSIX seconds, one instant for the whole request."""
        self.origin = origin
        """What the audit records say; the server's own work has records of its own."""
        self.placeholder: str | None = None
        """The ID Placeholder (KMIP 1.4 §4); it dies with the batch."""
        self.pending: dict[str, ManagedObject] = {}
        self.identifiers: Mapping[Operation, Sequence[str]] = _NO_IDENTIFIERS
        """Unique Identifiers that the latest item of each operation gave, for the references of KMIP 2.x. Replaced as
        a whole: an item that is run again goes back to what it found."""
        self.data: list[tuple[Operation, bytes | None]] = []
        """The Data of each item so far, for the references of KMIP 2.x."""
        self.after_commit: list[Effect] = []
        """What must not happen before the change is durable."""
        self.on_rollback: list[Effect] = []
        """What takes back what was done for changes that are not kept."""

    def postpone(self, call: Callable[[], None], *, blocks: bool = False) -> None:
        """Call this once the changes of the item are stored, and not at all where they are not."""
        self.after_commit.append(Effect(call, blocks))

    def compensate(self, call: Callable[[], None], *, blocks: bool = False) -> None:
        """Call this where the changes of the item are not kept."""
        self.on_rollback.append(Effect(call, blocks))
