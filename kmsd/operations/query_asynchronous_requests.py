"""Query Asynchronous Requests: KMIP 2.1 §6.1.41: this client's requests whose results it has not obtained."""

from __future__ import annotations

from kmsd.operations.asynchronous import owner_of
from kmsd.operations.context import Context
from protocol.administration import AsynchronousRequest
from protocol.operations.query_asynchronous_requests import (
    QueryAsynchronousRequestsRequest,
    QueryAsynchronousRequestsResponse,
)


async def handle(ctx: Context, request: QueryAsynchronousRequestsRequest) -> QueryAsynchronousRequestsResponse:
    """Values and operations each narrow the answer; an empty list asks for none of it."""
    jobs = ctx.services.requests.outstanding(owner_of(ctx))
    if request.asynchronous_correlation_values is not None:
        jobs = [job for job in jobs if job.value in request.asynchronous_correlation_values.values]
    if request.operations is not None:
        jobs = [job for job in jobs if job.operation in request.operations.operations]
    return QueryAsynchronousRequestsResponse(
        asynchronous_requests=tuple(
            AsynchronousRequest(
                asynchronous_correlation_value=job.value,
                operation=job.operation,
                submission_date=job.submitted,
                processing_stage=job.stage,
            )
            for job in jobs
        )
    )
