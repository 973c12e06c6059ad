"""Whether others have changed the store, asked once in each round of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio


class Epoch(trio.abc.Instrument):
    """What each commit of others changes. `Transactions.epoch` takes two locks of a file: once for a round.

    A round answers what had begun to arrive before it began. So what others had committed, and told anybody, by the
    time that a request was sent is in the epoch that it is answered in.
    """

    def __init__(self, ask: Callable[[], int | None]) -> None:
        self._ask = ask
        self._known: int | None = None
        self._changing = False
        self.in_rounds = False
        """The calls come from tasks of the running event loop."""

    def __enter__(self) -> None:
        trio.lowlevel.add_instrument(self)
        self.in_rounds = True

    def __exit__(self, *exception: object) -> None:
        self.in_rounds = False
        self._known = None
        trio.lowlevel.remove_instrument(self)

    @contextmanager
    def unknown(self) -> Iterator[None]:
        """While this process commits in a thread, until what that changed is forgotten: its own commits change no
        epoch, so what was read before one would be taken for what is stored after it."""
        self._known = None
        self._changing = True
        try:
            yield
        finally:
            self._changing = False

    def now(self) -> int | None:
        """None while a transaction goes on in a thread: then nothing is known."""
        if self._known is not None:
            return self._known
        epoch = None if self._changing else self._ask()
        if self.in_rounds:
            self._known = epoch
        return epoch

    def after_io_wait(self, timeout: float) -> None:
        self._known = None
