"""Which PKCS#11 applications are initialised: one Correlation Value for each C_Initialize."""

from __future__ import annotations

import os

from kmsd.domain.identity import Identity

_PER_CLIENT = 64
_SIZE = 16


class Applications:
    """Those of a process; of one client the latest few count."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[bytes]] = {}

    def new(self) -> bytes:
        """The Correlation Value for an application, which is not known yet."""
        return os.urandom(_SIZE)

    def keep(self, identity: Identity, value: bytes) -> None:
        """Have the application known as the client's latest; its oldest makes room for it."""
        values = self._values.setdefault((identity.tenant, identity.client), [])
        values.append(value)
        del values[:-_PER_CLIENT]

    def knows(self, identity: Identity, value: bytes | None) -> bool:
        return value in self._values.get((identity.tenant, identity.client), ())

    def end(self, identity: Identity, value: bytes) -> None:
        self._values[identity.tenant, identity.client].remove(value)
