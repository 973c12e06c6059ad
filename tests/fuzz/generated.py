"""Messages of every operation, made from the declarations: the test cases do not have all of them, nor every field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from protocol.enums import Operation, ResultStatus
from protocol.message import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    ResponseHeader,
    ResponseMessage,
    encode_request,
    encode_response,
)
from protocol.operations import OPERATIONS, Spec
from protocol.versions import V1_0, V1_4, V2_1, ProtocolVersion
from tests.protocol import strategies

EXAMPLES = 4
"""Of each payload in each version; the first has its required fields only."""


def versions(spec: Spec) -> list[ProtocolVersion]:
    """The version that brought the operation, and the last one of each wire form, where they have it."""
    found = sorted({max(spec.since, V1_0), V1_4, V2_1})
    return [version for version in found if version >= spec.since and (spec.until is None or version <= spec.until)]


def request(operation: Operation, payload: Any, version: ProtocolVersion) -> bytes:
    header = RequestHeader(protocol_version=version, batch_count=1)
    return encode_request(RequestMessage(header, (RequestBatchItem(operation=operation, payload=payload),)))


def response(operation: Operation, payload: Any, version: ProtocolVersion) -> bytes:
    header = ResponseHeader(protocol_version=version, time_stamp=0, batch_count=1)
    item = ResponseBatchItem(operation=operation, result_status=ResultStatus.SUCCESS, payload=payload)
    return encode_response(ResponseMessage(header, (item,)))


def messages(directions: Sequence[str] = ("request", "response"), every: int = 1) -> list[bytes]:
    """The same ones each time; of `every` so many payloads and versions one."""
    rows = [(operation, spec, version) for operation, spec in OPERATIONS.items() for version in versions(spec)]
    found = []
    for operation, spec, version in rows[::every]:
        for direction in directions:
            cls, write = (spec.request, request) if direction == "request" else (spec.response, response)
            found += [write(operation, payload, version) for payload in _instances(cls, version)]
    return list(dict.fromkeys(found))


def _instances(cls: type, version: ProtocolVersion) -> Iterator[Any]:
    found: list[Any] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.structures(cls, version))
    def collect(instance: Any) -> None:
        found.append(instance)

    collect()
    return iter(found)
