"""Requests that are answered later: their items, until the client has asked what became of them.

A request begins a moment after its answer has left, so that Cancel means something, or as soon as the client asks
by Poll or Process. What has begun is finished. Results are kept in memory, for their client alone, for a time that
the configuration sets, and in a number that it sets: they do not outlive the daemon.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import trio

from kmsd.domain.errors import KmsError
from protocol.enums import CancellationResult, Operation, ProcessingStage, ResultReason, ResultStatus
from protocol.message import ResponseBatchItem

if TYPE_CHECKING:
    from kmsd.operations.context import Context

VALUE_SIZE = 16
_PATIENCE = 1.0
"""Seconds that a Poll waits for an item in work before it says Pending."""


class Owner(NamedTuple):
    """Whose request it is: nobody else may know of it."""

    tenant: str
    client: str


def owner_of(ctx: Context) -> Owner:
    """The client of this request."""
    return Owner(ctx.batch.identity.tenant, ctx.batch.identity.client)


@dataclass(slots=True, eq=False)
class Job:
    """One item of an asynchronous request."""

    value: bytes
    """The Asynchronous Correlation Value."""
    owner: Owner
    operation: Operation
    submitted: int
    """Microseconds since 1970."""
    wanted: trio.Event
    """Set to begin at once; one for all items of a request."""
    finished: trio.Event = field(default_factory=trio.Event)
    stage: ProcessingStage = ProcessingStage.SUBMITTED
    answer: ResponseBatchItem | None = None
    obtained: bool = False
    """The client has the result, or has cancelled."""
    processed: bool = False
    """Process was asked: no Poll says Pending any more."""

    @property
    def failed(self) -> bool:
        return self.answer is not None and self.answer.result_status == ResultStatus.OPERATION_FAILED

    def begin(self) -> bool:
        """Whether it is still to be done; from here on it cannot be cancelled."""
        if self.answer is not None:
            return False
        self.stage = ProcessingStage.IN_PROCESS
        return True

    def hand_over(self) -> None:
        """The client has the result."""
        self.obtained = True

    def finish(self, answer: ResponseBatchItem) -> None:
        """Keep what a synchronous request would have been answered with."""
        self.answer = answer
        self.stage = ProcessingStage.COMPLETED
        self.finished.set()


class Requests:
    """The asynchronous requests of all clients of a process."""

    def __init__(self, *, keep: float, per_client: int, delay: float) -> None:
        """`delay`: seconds before a request begins by itself; the others as for `limit`."""
        self.limit(keep=keep, per_client=per_client)
        self._delay = delay
        self._jobs: dict[bytes, Job] = {}
        self._nursery: trio.Nursery | None = None

    def limit(self, *, keep: float, per_client: int) -> None:
        """`keep`: seconds for a result; `per_client`: items at once."""
        self._keep = keep
        self._per_client = per_client

    def drop(self, gone: Callable[[str, str], bool]) -> None:
        """Begin nothing more for owners (tenant, client) that are gone."""
        for job in self._jobs.values():
            if job.stage == ProcessingStage.SUBMITTED and job.answer is None and gone(*job.owner):
                job.finish(
                    ResponseBatchItem(
                        operation=job.operation,
                        result_status=ResultStatus.OPERATION_FAILED,
                        result_reason=ResultReason.PERMISSION_DENIED,
                        result_message="the client is known no more",
                    )
                )

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run what is submitted, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    def submit(
        self,
        owner: Owner,
        operations: Sequence[Operation],
        submitted: int,
        work: Callable[[Sequence[Job]], Awaitable[None]],
    ) -> Sequence[Job]:
        """Take the items of one request; `work` does them in order, and finishes each. It must not raise.

        Raises KmsError Server Limit Exceeded where the client has as many as it may.
        """
        if self._nursery is None:
            raise RuntimeError("no asynchronous request is run: `run` was not started")
        self._make_room(owner, len(operations))
        wanted = trio.Event()
        jobs = [Job(os.urandom(VALUE_SIZE), owner, operation, submitted, wanted) for operation in operations]
        self._jobs.update((job.value, job) for job in jobs)
        self._nursery.start_soon(self._run, jobs, wanted, work)
        return jobs

    def _make_room(self, owner: Owner, number: int) -> None:
        """Results that the client has obtained go first, oldest first."""
        mine = [job for job in self._jobs.values() if job.owner == owner]
        surplus = len(mine) + number - self._per_client
        for job in mine:
            if surplus > 0 and job.obtained and job.finished.is_set():
                del self._jobs[job.value]
                surplus -= 1
        if surplus > 0:
            raise KmsError(
                ResultReason.SERVER_LIMIT_EXCEEDED, f"more than {self._per_client} asynchronous requests at once"
            )

    async def _run(
        self, jobs: Sequence[Job], wanted: trio.Event, work: Callable[[Sequence[Job]], Awaitable[None]]
    ) -> None:
        with trio.move_on_after(self._delay):
            await wanted.wait()
        # The end of the daemon waits for what has begun, and drops what has not.
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            await work(jobs)
        await trio.sleep(self._keep)
        for job in jobs:
            self._jobs.pop(job.value, None)

    # --- what a client asks afterwards -----------------------------------------------------------------------

    def find(self, owner: Owner, value: bytes) -> Job:
        """The item with this Asynchronous Correlation Value, if it is this client's.

        Raises KmsError Invalid Asynchronous Correlation Value.
        """
        job = self._jobs.get(value)
        if job is None or job.owner != owner:
            raise KmsError(
                ResultReason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE,
                "no request has this Asynchronous Correlation Value",
            )
        return job

    def outstanding(self, owner: Owner) -> list[Job]:
        """The items of this client whose results it has not obtained, oldest first."""
        return [job for job in self._jobs.values() if job.owner == owner and not job.obtained]

    async def result(self, job: Job) -> ResponseBatchItem | None:
        """The answer, once it is there; None where it takes longer than a client should wait for."""
        job.wanted.set()
        with trio.move_on_after(float("inf") if job.processed else _PATIENCE):
            await job.finished.wait()
        return job.answer

    def cancel(self, owner: Owner, value: bytes) -> CancellationResult:
        """What KMIP 1.4 §4.27 lists, of an item that has not begun, is in work, is done, or is not known."""
        job = self._jobs.get(value)
        if job is None or job.owner != owner:
            return CancellationResult.UNAVAILABLE
        if job.answer is not None:
            job.obtained = True
            return CancellationResult.FAILED if job.failed else CancellationResult.COMPLETED
        if job.stage != ProcessingStage.SUBMITTED:
            return CancellationResult.UNABLE_TO_CANCEL
        job.finish(
            ResponseBatchItem(
                operation=job.operation,
                result_status=ResultStatus.OPERATION_FAILED,
                result_reason=ResultReason.OPERATION_CANCELED_BY_REQUESTER,
                result_message="canceled before it began",
            )
        )
        job.obtained = True
        return CancellationResult.CANCELED
