"""Poll: KMIP 1.4 §4.28, 2.1 §6.1.38: what became of an asynchronous request, in the words of the request itself."""

from __future__ import annotations

from dataclasses import replace

from kmsd.operations.asynchronous import owner_of
from kmsd.operations.context import Context
from protocol.enums import Operation, ResultStatus
from protocol.message import ResponseBatchItem
from protocol.operations.poll import PollRequest


async def handle(ctx: Context, request: PollRequest) -> ResponseBatchItem:
    """The whole answer: "identical to the response that would have been sent if the operation had completed
    synchronously", so it has no payload of its own."""
    requests = ctx.services.requests
    job = requests.find(owner_of(ctx), request.asynchronous_correlation_value)
    answer = await requests.result(job)
    if answer is None:
        return ResponseBatchItem(
            operation=Operation.POLL,
            result_status=ResultStatus.OPERATION_PENDING,
            asynchronous_correlation_value=job.value,
        )
    ctx.batch.postpone(job.hand_over)
    return replace(answer)
