"""The daemon's own log: JSON lines on standard error, without the values of local variables, which may be keys."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

import structlog
from structlog.typing import EventDict, WrappedLogger

REQUEST: ContextVar[str] = ContextVar("request")
"""The Server Correlation Value of the request that a task works on, or has last worked on."""


def name_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add `request` to what is logged, where there is one; structlog's own would make two dicts per request."""
    request = REQUEST.get(None)
    if request is not None:
        event.setdefault("request", request)
    return event


def configure(level: str = "info") -> None:
    """For the whole process, once."""
    structlog.configure(
        processors=[
            name_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(default=repr),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
