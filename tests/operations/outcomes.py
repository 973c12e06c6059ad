"""What became of the items of a batch."""

from __future__ import annotations

from protocol.enums import ResultStatus
from protocol.message import ResponseMessage

SUCCESS, FAILED, UNDONE = ResultStatus.SUCCESS, ResultStatus.OPERATION_FAILED, ResultStatus.OPERATION_UNDONE


def statuses(response: ResponseMessage) -> list[ResultStatus]:
    return [item.result_status for item in response.batch_items]
