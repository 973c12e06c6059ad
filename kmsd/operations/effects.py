"""What a batch does outside the store: once its changes are stored, or to reverse what it did where they are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
import trio

from kmsd.domain.errors import render

log = structlog.get_logger("kmsd.operations")


class Effect(NamedTuple):
    """One such call. What the event loop's own tables hold is changed on the event loop."""

    call: Callable[[], None]
    blocks: bool = False
    """Whether it waits for a token, and so runs in a thread."""


async def run_all(effects: Sequence[Effect], failure: str, tenant: str) -> None:
    """Each of them, whatever becomes of the others: what they concern is decided. A cancelled task does so, too.

    What does not block comes first. `failure` is what the log says of one that raises.
    """
    _each([effect.call for effect in effects if not effect.blocks], failure, tenant)
    blocking = [effect.call for effect in effects if effect.blocks]
    if blocking:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_each, blocking, failure, tenant)


def _each(calls: Sequence[Callable[[], None]], failure: str, tenant: str) -> None:
    for call in calls:
        try:
            call()
        except Exception as error:
            log.error(failure, tenant=tenant, traceback=render(error))
