"""Answers as bytes: a whole response, whose header is seldom written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from protocol.message import RESPONSES, ResponseBatchItem, ResponseHeader
from protocol.versions import V1_4, ProtocolVersion


def encode_answer(
    version: ProtocolVersion,
    time_stamp: int,
    batch_items: Sequence[ResponseBatchItem],
    client_correlation_value: str | None = None,
    server_correlation_value: str | None = None,
) -> bytes:
    """As encode_response of a message whose header has these values and no others, but that header is seldom written.

    An empty Server Correlation Value is none. Raises ProtocolError where the version lacks a value.
    """
    if client_correlation_value is not None:
        header = ResponseHeader(
            protocol_version=version,
            time_stamp=time_stamp,
            client_correlation_value=client_correlation_value,
            server_correlation_value=server_correlation_value or None,
            batch_count=len(batch_items),
        )
        return RESPONSES.framed(version, RESPONSES.written(header), batch_items)
    value = server_correlation_value.encode() if server_correlation_value and version >= V1_4 else b""
    before, behind = _answer_header(version, time_stamp, len(batch_items), len(value))
    return RESPONSES.framed(version, before + value + behind, batch_items)


@lru_cache(maxsize=64)
def _answer_header(version: ProtocolVersion, time_stamp: int, batch_count: int, room: int) -> tuple[bytes, bytes]:
    """A header before and behind the `room` bytes of its Server Correlation Value, 0 for none.

    Most answers of one second have the same. What clients send is not kept here.
    """
    header = ResponseHeader(
        protocol_version=version,
        time_stamp=time_stamp,
        server_correlation_value="?" * room or None,
        batch_count=batch_count,
    )
    written = RESPONSES.written(header)
    # Only the Batch Count, an item of 16 bytes, comes behind the value.
    start = len(written) - 16 - (room + 7 & -8)
    return written[:start], written[start + room :]
