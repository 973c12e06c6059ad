"""Wrong credentials, and how long who shows them has to wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from kmsd.domain.errors import KmsError
from protocol.enums import ResultReason

FREE = 5
"""Wrong ones in a row, before the first wait."""
LONGEST = 300.0
"""Seconds to wait at most; the first time it is one, and then twice as long each time."""
REMEMBERED = 4096
"""Who is remembered at once of one certificate: of one more, who waits least is forgotten, and the oldest of these."""


@dataclass(slots=True)
class _Entry:
    lock: trio.Lock = field(default_factory=trio.Lock)
    wrong: int = 0
    until: float = 0.0
    """POSIX seconds: nothing is looked at before."""


class Attempts:
    """Attempts of all sources; a source is whoever has an own count, such as a name from an address.

    Each belongs to an owner, such as a certificate's client, and no owner's sources are forgotten for another's.
    """

    def __init__(self, free: int = FREE, longest: float = LONGEST) -> None:
        self._free = free
        self._longest = longest
        self._owners: dict[Hashable, dict[Hashable, _Entry]] = {}

    def limit(self, *, free: int, longest: float) -> None:
        """Go on with these limits; who waits, waits as long as was said."""
        self._free, self._longest = free, longest

    def __len__(self) -> int:
        return sum(map(len, self._owners.values()))

    @asynccontextmanager
    async def one(self, owner: Hashable, source: Hashable, now: float) -> AsyncIterator[Callable[[bool], None]]:
        """Look at one credential within, and say whether it was right; `now` in POSIX seconds.

        One at a time of each source: who sends many at once learns no more of them. Raises KmsError Authentication Not
        Successful where it has to wait, at once and whatever it shows.
        """
        entries = self._owners.setdefault(owner, {})
        entry = entries.get(source)
        if entry is None:
            if len(entries) >= REMEMBERED:
                del entries[min(entries, key=lambda other: (entries[other].lock.locked(), entries[other].until))]
            entry = entries[source] = _Entry()
        async with entry.lock:
            if now < entry.until:
                wait = f"{entry.until - now:.0f} s"
                raise KmsError(
                    ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, f"too many wrong credentials: the next one in {wait}"
                )

            def seen(right: bool) -> None:
                if right:
                    entry.wrong, entry.until = 0, 0.0
                    entries.pop(source, None)
                    return
                entry.wrong += 1
                if entry.wrong >= self._free:
                    # To the end of the queue of those that are forgotten.
                    entries[source] = entries.pop(source, entry)
                    entry.until = now + min(2.0 ** min(entry.wrong - self._free, 32), self._longest)

            yield seen
