"""Maximum Response Size: "the maximum size of a response, in bytes, that the requester SHALL be able to handle" (KMIP
1.4 §6.3, 2.1 §9.12). What the client could not be told is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kmsd.domain.errors import KmsError
from kmsd.operations.asynchronous import VALUE_SIZE
from kmsd.server.answers import encode_plain, failure
from kmsd.server.later import pending
from protocol.enums import CancellationResult, Operation, ResultReason, ResultStatus
from protocol.errors import ProtocolError
from protocol.message import RequestBatchItem, RequestMessage, ResponseBatchItem
from protocol.operations.cancel import CancelResponse
from protocol.operations.process import ProcessResponse

_REASON = ResultReason.RESPONSE_TOO_LARGE

_AT_ONCE: Mapping[Operation, Callable[[Any], object]] = {
    Operation.CANCEL: lambda asked: CancelResponse(
        asynchronous_correlation_value=asked.asynchronous_correlation_value,
        cancellation_result=CancellationResult.CANCELED,
    ),
    Operation.PROCESS: lambda asked: ProcessResponse(
        asynchronous_correlation_value=asked.asynchronous_correlation_value
    ),
}
"""What cannot be taken back once it is done, with an answer as long as any that it gives."""


class Room:
    """What is left of it, in bytes, beyond what is set aside for each item of the request: its failure, without words.

    The answer to an item is checked before its changes are stored, and spent once they are. A part of a stream has no
    changes: where its answer has no room, the stream has ended.
    """

    def __init__(self, limit: int, measure: Callable[[Sequence[ResponseBatchItem]], int], least: int) -> None:
        """Raises KmsError Response Too Large where `limit` is less than `least`: then nothing is to be begun."""
        if limit < least:
            raise KmsError(_REASON, "")
        self._left = limit - least
        self._measure = measure

    def check(self, answer: ResponseBatchItem) -> None:
        """Raise KmsError Response Too Large for an answer that says of something that it was done, and does not fit."""
        if self._beyond(answer) > self._left:
            raise KmsError(_REASON, "response too large")

    def admit(self, item: RequestBatchItem) -> None:
        """As `check`, of an item that acts at once, where it is not known yet how its answer will end."""
        if item.operation in _AT_ONCE:
            self.check(
                ResponseBatchItem(
                    operation=item.operation,
                    unique_batch_item_id=item.unique_batch_item_id,
                    result_status=ResultStatus.SUCCESS,
                    payload=_AT_ONCE[item.operation](item.payload),
                )
            )

    def spend(self, answer: ResponseBatchItem) -> None:
        self._left -= self._beyond(answer)

    def _beyond(self, answer: ResponseBatchItem) -> int:
        if answer.result_status == ResultStatus.OPERATION_FAILED:
            return 0
        aside = self._measure([_failed(answer)])
        try:
            return max(0, self._measure([answer]) - aside)
        except ProtocolError:
            # It has no form in this version, and will be said to have failed.
            return 0


def _failed(item: RequestBatchItem | ResponseBatchItem) -> ResponseBatchItem:
    """The shortest answer to the item."""
    return failure(item.operation, item.unique_batch_item_id, _REASON, "")


def room_of(message: RequestMessage, later: bool, request: str) -> Room | None:
    """None where the client names no size; `later` where the first answer is that it is pending, `request` is the
    Server Correlation Value. Raises KmsError Response Too Large where not even that much fits."""
    header = message.header
    limit = header.maximum_response_size
    if limit is None:
        return None

    def measure(answers: Sequence[ResponseBatchItem]) -> int:
        return len(encode_plain(header.protocol_version, header, list(answers), 0, request))

    least = [pending(item, bytes(VALUE_SIZE)) if later else _failed(item) for item in message.batch_items]
    return Room(limit, measure, measure(least))
