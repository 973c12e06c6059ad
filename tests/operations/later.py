"""Asynchronous requests, as tests send them."""

from __future__ import annotations

from typing import Any

from protocol.enums import AsynchronousIndicator, ResultStatus
from protocol.operations.poll import PollRequest
from protocol.versions import V2_0
from tests.operations.conftest import Caller


async def put_off(app: Caller, *payloads: Any, **header: Any) -> list[bytes]:
    """Ask for these to be done later; the Asynchronous Correlation Values."""
    indicator = AsynchronousIndicator.MANDATORY if app.version >= V2_0 else True
    items = (await app.batch(payloads, asynchronous_indicator=indicator, **header)).batch_items
    assert [item.result_status for item in items] == [ResultStatus.OPERATION_PENDING] * len(items)
    assert [item.payload for item in items] == [None] * len(items)
    return [item.asynchronous_correlation_value or b"" for item in items]


def poll(value: bytes) -> PollRequest:
    return PollRequest(asynchronous_correlation_value=value)
