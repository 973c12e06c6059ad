"""The scheduler's loop: on one node at a time, and what was missed while none ran is done at the next start."""

from __future__ import annotations

from typing import Protocol

import structlog
import trio

from kmsd.domain.errors import render
from kmsd.operations import orphans
from kmsd.operations.services import Services
from kmsd.scheduler.jobs import run_due

log = structlog.get_logger("kmsd.scheduler")

INTERVAL = 30.0
"""Seconds between two looks. A key whose date of deletion has come is refused at once, without the scheduler."""

FOLLOWING = 2.0
"""Seconds between two looks whether the process that leads is still there."""


class Leadership(Protocol):
    """Held by one process at a time; the system gives it back when its holder dies."""

    def try_acquire(self) -> bool: ...

    def close(self) -> None: ...


class Scheduler:
    """Looks now and then for what is due, while this process leads."""

    def __init__(
        self, services: Services, leadership: Leadership, interval: float = INTERVAL, following: float = FOLLOWING
    ) -> None:
        self._services = services
        self._leadership = leadership
        self._interval = interval
        self._following = following
        self._leads = False
        self._followed = False

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled; a unit of work that the store has is finished."""
        try:
            task_status.started()
            while True:
                await self.look()
                await trio.sleep(self._interval if self._leads else self._following)
        finally:
            self._leadership.close()

    async def look(self) -> int:
        """Do what is due for each tenant, if this process leads; return how many CMKs were changed."""
        try:
            await orphans.settle(self._services.tenants)
        except Exception as error:
            log.error("destroyed keys not removed from the tokens", traceback=render(error))
        if not self._leads:
            self._leads = self._leadership.try_acquire()
            if not self._leads:
                self._followed = True
                return 0
            log.info("leads")
            if self._followed:
                await self._succeed()
        done = 0
        for tenant in self._services.tenants:
            if tenant not in self._services.tenants:
                # A reload has taken it away since the look began.
                continue
            try:
                done += await run_due(self._services, tenant)
            except Exception as error:
                # One tenant's trouble, or a store that does not work for a while, must not end the loop.
                log.error("not done", tenant=tenant, traceback=render(error))
        return done

    async def _succeed(self) -> None:
        """What the process that led before was doing when it died, nobody else will finish."""
        try:
            await orphans.check(self._services.store, self._services.tenants, self._services.clock())
        except Exception as error:
            # A token or a store that does not answer: what is due for the tenants is done all the same.
            log.error("tokens not looked through", traceback=render(error))
