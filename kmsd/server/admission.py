"""What a request, and each item of it, must be before anything is done about it."""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.domain.policy import check_operation
from kmsd.operations import HANDLERS
from kmsd.operations.batch import Batch
from kmsd.operations.declined import DECLINED
from kmsd.server.later import ABOUT_REQUESTS
from protocol.enums import AsynchronousIndicator, Enumeration, Operation, ResultReason
from protocol.message import RequestBatchItem, RequestMessage, UnreadablePayload
from protocol.operations import OPERATIONS

OPEN_TO_ALL: frozenset[Operation] = ABOUT_REQUESTS | {Operation.DISCOVER_VERSIONS, Operation.QUERY}
"""What every known client may ask: how to speak to us, and what became of its own requests."""

_SERVED = {operation: spec for operation, spec in OPERATIONS.items() if operation in HANDLERS}


def check_message(message: RequestMessage, maximum_items: int) -> None:
    """Raise KmsError Invalid Message for more items than are allowed, or identifiers that are no such thing; Unknown
    Enumeration for what the header says of the batch, where nobody can tell what is meant."""
    header = message.header
    # KMIP 1.4 §6.13: it "SHALL have one of three values"; a batch that goes on or stops for a fourth does neither.
    option = header.batch_error_continuation_option
    if option is not None and not option.known:
        raise _unknown("Batch Error Continuation Option", option)
    indicator = header.asynchronous_indicator
    if indicator is not None and isinstance(indicator, AsynchronousIndicator) and not indicator.known:
        raise _unknown("Asynchronous Indicator", indicator)
    count = len(message.batch_items)
    if count > maximum_items:
        raise KmsError(ResultReason.INVALID_MESSAGE, f"more than {maximum_items} batch items")
    if count > 1:
        # KMIP 1.4 §6.4: the Unique Batch Item ID "is REQUIRED if Batch Count is greater than 1". Old
        # clients leave it out all the same; order is then the correlation, as KMIP 3.0 makes it.
        ids = [i.unique_batch_item_id for i in message.batch_items if i.unique_batch_item_id is not None]
        if len(set(ids)) != len(ids):
            raise KmsError(ResultReason.INVALID_MESSAGE, "a Unique Batch Item ID occurs twice")


def _unknown(name: str, value: Enumeration) -> KmsError:
    return KmsError(ResultReason.UNKNOWN_ENUMERATION, f"{name} 0x{value:08X} is not known")


def check_item(batch: Batch, item: RequestBatchItem) -> None:
    """Raise KmsError Operation Not Supported, also for another version; Permission Denied; and what its payload was
    found to be wrong with."""
    operation = item.operation
    spec = _SERVED.get(operation)
    if spec is None or batch.version < spec.since or (spec.until is not None and batch.version > spec.until):
        why = DECLINED.get(operation)
        message = "the operation is not supported" + (f": {why}" if why is not None else "")
        raise KmsError(ResultReason.OPERATION_NOT_SUPPORTED, message)
    if isinstance(item.payload, UnreadablePayload):
        raise item.payload.error
    if operation not in OPEN_TO_ALL:
        check_operation(batch.grants, operation)
