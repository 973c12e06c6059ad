"""Counts authenticated encryptions: in memory, out of blocks that keys set aside in the store.

A process takes a small block of each key that it encrypts with, and twice as many each time it has used them up. So
what is lost when it ends is no more than what it had used, or one small block; and the store is written to, in the
transaction of the encryption itself, once in 4096 encryptions, then ever more rarely.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kmsd.crypto.ciphers import AUTHENTICATED
from kmsd.domain import encryptions

if TYPE_CHECKING:
    from kmsd.operations.context import Context
    from kmsd.operations.using import Use

FIRST = 1 << 12
MOST = 1 << 20
"""Encryptions of the first and of the largest block."""
KEYS = 1 << 16
"""Keys that are counted at once; of the one that is counted longest the rest is lost when there is another."""

_Place = tuple[str, str]


@dataclass(slots=True)
class _Block:
    """What of one key's encryptions this process may still make."""

    size: int
    left: int


class Encryptions:
    """The blocks of a process. One event loop counts."""

    def __init__(self, maximum: int = encryptions.MAXIMUM, first: int = FIRST, most: int = MOST) -> None:
        self._maximum = maximum
        self._first = first
        self._most = most
        self._blocks: dict[_Place, _Block] = {}
        # What follows a commit runs in a thread, where no counter may be changed.
        self._committed: deque[tuple[_Place, int, int]] = deque()

    def count(self, ctx: Context, use: Use) -> None:
        """Count one encryption with the permit, before it is made; one that fails is counted, too.

        Raises KmsError Usage Limit Exceeded.
        """
        if use.permit.parameters.block_cipher_mode not in AUTHENTICATED:
            return
        place = (use.key.tenant, use.key.uid)
        block = self._blocks.get(place)
        if block is not None and block.left > 0:
            block.left -= 1
            return
        self._take_committed()
        block = self._blocks.get(place)
        if block is not None and block.left > 0:
            block.left -= 1
        else:
            self._reserve(ctx, use, place, block)

    def _reserve(self, ctx: Context, use: Use, place: _Place, block: _Block | None) -> None:
        key = ctx.unsaved(use.key.uid) or use.key
        stored = ctx.services.store.get(use.key.tenant, use.key.uid)
        if encryptions.reserved(key) > (0 if stored is None else encryptions.reserved(stored)):
            # An item before it in the batch has set a block aside, which is there to be used once it is committed.
            ctx.batch.postpone(partial(self._committed.append, (place, 0, -1)))
            return
        size = self._first if block is None else min(2 * block.size, self._most)
        changed, granted = encryptions.reserve(key, size, self._maximum)
        ctx.save_as_dated(changed)
        ctx.batch.postpone(partial(self._committed.append, (place, size, granted - 1)))

    def _take_committed(self) -> None:
        while self._committed:
            place, size, count = self._committed.popleft()
            block = self._blocks.get(place)
            if block is None:
                if len(self._blocks) >= KEYS:
                    del self._blocks[next(iter(self._blocks))]
                block = self._blocks[place] = _Block(size, 0)
            block.left += count
            block.size = max(block.size, size)
