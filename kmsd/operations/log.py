"""Log: KMIP 2.1 §6.1.29: a message of the client's for the server's log."""

from __future__ import annotations

import structlog

from kmsd.domain.errors import invalid_field
from kmsd.operations.context import Context
from protocol.operations.log import LogRequest, LogResponse

log = structlog.get_logger("kmsd.client")

LONGEST = 4096
"""Characters: a log is no store."""


async def handle(ctx: Context, request: LogRequest) -> LogResponse:
    if len(request.log_message) > LONGEST:
        raise invalid_field(f"the Log Message has more than {LONGEST} characters")
    identity = ctx.batch.identity
    # What is in the log stays there.
    ctx.batch.postpone(
        lambda: log.info(
            "message of a client", tenant=identity.tenant, client=identity.client, message=request.log_message
        )
    )
    return LogResponse()
