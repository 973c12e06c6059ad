"""Which requests are answered later: KMIP 1.4 §6.7, 2.1 §9.2 and §11.3."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from protocol.enums import AsynchronousIndicator, BatchErrorContinuationOption, Operation, ResultReason, ResultStatus
from protocol.message import RequestBatchItem, RequestMessage, ResponseBatchItem
from protocol.versions import V2_0

ABOUT_REQUESTS: frozenset[Operation] = frozenset(
    {Operation.POLL, Operation.CANCEL, Operation.PROCESS, Operation.QUERY_ASYNCHRONOUS_REQUESTS}
)
"""What is about a client's other requests: "the response [...] SHALL NOT be asynchronous"."""

NEVER_LATER = ABOUT_REQUESTS | {Operation.LOGIN, Operation.DELEGATED_LOGIN, Operation.LOGOUT}
"""Beside these, what the client's next request depends on."""


def is_later(message: RequestMessage) -> bool:
    """Whether the items of a request are done later.

    A 1.x client that can wait is made to wait where that is possible; of a 2.x client, Optional leaves the choice to
    the server, which has no reason to let it wait.

    Raises KmsError Feature Not Supported where it must be and cannot be.
    """
    indicator = message.header.asynchronous_indicator
    if not indicator:
        return False
    several = len(message.batch_items) > 1
    undo = several and message.header.batch_error_continuation_option == BatchErrorContinuationOption.UNDO
    now = next((item.operation for item in message.batch_items if item.operation in NEVER_LATER), None)
    if message.header.protocol_version < V2_0:
        return indicator is True and not undo and now is None
    if indicator != AsynchronousIndicator.MANDATORY:
        return False
    if now is not None:
        name = now.name.replace("_", " ").title()
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, f"{name} is not processed asynchronously")
    if undo:
        raise KmsError(ResultReason.FEATURE_NOT_SUPPORTED, "a batch that may be undone is not processed asynchronously")
    return True


def pending(item: RequestBatchItem, value: bytes) -> ResponseBatchItem:
    """The first answer to an item that is done later, with its Asynchronous Correlation Value (KMIP 1.4 §6.8, §6.9)."""
    return ResponseBatchItem(
        operation=item.operation,
        unique_batch_item_id=item.unique_batch_item_id,
        result_status=ResultStatus.OPERATION_PENDING,
        asynchronous_correlation_value=value,
    )
