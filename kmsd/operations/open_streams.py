"""Operations in parts that are open: whose they are, how many there may be, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kmsd.crypto.provider import Stream
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from protocol.enums import Operation, ResultReason

PER_CLIENT = 16
"""Streams that one client may have open."""
ALTOGETHER = 1024
LIFETIME = 600.0
"""Seconds from one part to the next."""


@dataclass(slots=True)
class OpenStream:
    """One operation in parts, between two of them."""

    identity: Identity
    operation: Operation
    uid: str | None
    stream: Stream
    more: Any = None
    """What the first part said and the last one needs, such as the signature to verify."""
    expires: float = 0.0


class Streams:
    """The open streams of a process, by Correlation Value."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[bytes, OpenStream] = {}

    def check_room(self, identity: Identity) -> None:
        """Raise KmsError Server Limit Exceeded where the client has enough of them."""
        now = self._clock()
        for value in [value for value, stream in self._open.items() if stream.expires <= now]:
            del self._open[value]
        mine = sum(1 for stream in self._open.values() if _owner(stream.identity) == _owner(identity))
        if mine >= PER_CLIENT or len(self._open) >= ALTOGETHER:
            raise KmsError(ResultReason.SERVER_LIMIT_EXCEEDED, "too many operations in parts are open")

    def take(self, value: bytes, identity: Identity, operation: Operation) -> OpenStream:
        """The stream, which nobody else has until it is put back.

        Raises KmsError Invalid Correlation Value, the same for another client's stream as for none.
        """
        found = self._open.get(value)
        if (
            found is None
            or _owner(found.identity) != _owner(identity)
            or found.operation != operation
            or found.expires <= self._clock()
        ):
            raise KmsError(ResultReason.INVALID_CORRELATION_VALUE, "no outstanding operation has this value")
        return self._open.pop(value)

    def drop(self, gone: Callable[[str, str], bool]) -> None:
        """Forget the streams of owners (tenant, client) that are gone."""
        for value, stream in list(self._open.items()):
            if gone(*_owner(stream.identity)):
                del self._open[value]

    def put(self, value: bytes, stream: OpenStream) -> None:
        stream.expires = self._clock() + LIFETIME
        self._open[value] = stream


def _owner(identity: Identity) -> tuple[str, str]:
    """Not its roles: a reload may change them between two parts."""
    return identity.tenant, identity.client
