"""Process: KMIP 2.1 §6.1.39: an asynchronous request is done at once, and the next Poll waits for its result."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.operations.asynchronous import owner_of
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.operations.process import ProcessRequest, ProcessResponse


async def handle(ctx: Context, request: ProcessRequest) -> ProcessResponse:
    job = ctx.services.requests.find(owner_of(ctx), request.asynchronous_correlation_value)
    if job.processed:
        raise KmsError(ResultReason.DUPLICATE_PROCESS_REQUEST, "the request is being processed already")
    job.processed = True
    job.wanted.set()
    return ProcessResponse(asynchronous_correlation_value=job.value)
