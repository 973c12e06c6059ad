"""Responses as bytes: within what the client takes, and in the words of its version."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import structlog

from protocol.answer import encode_answer
from protocol.attributes import ATTRIBUTES
from protocol.enums import Operation, ResultReason, ResultStatus
from protocol.errors import ProtocolError
from protocol.message import RequestHeader, ResponseBatchItem
from protocol.versions import ProtocolVersion

log = structlog.get_logger("kmsd.answers")


def failure(
    operation: Operation | None, item_id: bytes | None, reason: ResultReason, message: str
) -> ResponseBatchItem:
    """The answer to an item that failed; the reason is one of the client's version."""
    return ResponseBatchItem(
        operation=operation,
        unique_batch_item_id=item_id,
        result_status=ResultStatus.OPERATION_FAILED,
        result_reason=reason,
        result_message=message or None,
    )


MAKING = ATTRIBUTES["Initial Date"].implicit | {
    Operation.IMPORT,
    Operation.CREATE_SPLIT_KEY,
    Operation.JOIN_SPLIT_KEY,
}
"""Operations whose Unique Identifier is that of a new object."""


def without_result(answer: ResponseBatchItem) -> object | None:
    """What is left of the payload of an item that was undone: which object it was about, as the mandatory profile
    case BL-M-2 has it.

    What was not done has no result: a ciphertext would be one that no Usage Limits were charged for, a new object's
    identifier that of nothing.
    """
    payload: Any = answer.payload
    if payload is None or answer.operation in MAKING:
        return None
    given = {field.name for field in fields(payload) if getattr(payload, field.name) not in (None, ())}
    return payload if given == {"unique_identifier"} else None


def encode_plain(
    version: ProtocolVersion,
    header: RequestHeader | None,
    items: list[ResponseBatchItem],
    now: int,
    request: str | None,
) -> bytes:
    """The answer to a request with this header, if it had one; `now` in POSIX seconds. Raises ProtocolError.

    `request` is the Server Correlation Value, which KMIP has from 1.4 on.
    """
    theirs = header.client_correlation_value if header is not None else None
    return encode_answer(version, now, items, theirs, request)


def encode(
    version: ProtocolVersion, header: RequestHeader, items: list[ResponseBatchItem], now: int, request: str
) -> bytes:
    """As `encode_plain`, within the client's Maximum Response Size: what failed goes without words where it must."""
    limit = header.maximum_response_size
    try:
        data = encode_answer(version, now, items, header.client_correlation_value, request)
    except ProtocolError:
        data = _without_what_has_no_form(version, header, items, now, request)
    if limit is None or len(data) <= limit:
        return data
    failed = ResultStatus.OPERATION_FAILED
    terse = [
        failure(item.operation, item.unique_batch_item_id, item.result_reason, "")
        if item.result_status == failed and item.result_reason is not None
        else item
        for item in items
    ]
    return encode_plain(version, header, terse, now, request)


def _without_what_has_no_form(
    version: ProtocolVersion, header: RequestHeader, items: list[ResponseBatchItem], now: int, request: str
) -> bytes:
    """Where a result has no words in this version of the protocol: find the item and say so."""
    for position, item in enumerate(items):
        try:
            encode_plain(version, header, [item], now, request)
        except ProtocolError as error:
            log.warning("result has no form in this version", error=str(error), version=version)
            items[position] = failure(
                item.operation,
                item.unique_batch_item_id,
                ResultReason.FEATURE_NOT_SUPPORTED,
                "the result has no form in this protocol version",
            )
    return encode_plain(version, header, items, now, request)
