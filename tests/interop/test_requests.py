"""Requests that PyKMIP's library writes, though its client has no call for them and its factory no answer."""

from __future__ import annotations

from typing import Any

from protocol.enums import CancellationResult, ResultReason, ResultStatus
from tests.interop.conftest import App
from tests.interop.pykmip import Reason, attribute, enums, messages, payloads, primitives, refused, sent

Operation = enums.Operation


def _done(app: App, operation: Any, request: Any) -> Any:
    answer = sent(app.client, operation, request)
    assert answer.result_status == ResultStatus.SUCCESS, (answer.result_reason, answer.result_message)
    return answer.payload


def test_an_archived_key_is_out_of_reach_until_it_is_recovered(app: App) -> None:
    uid = app.aes()
    assert _done(app, Operation.ARCHIVE, payloads.ArchiveRequestPayload(uid)).unique_identifier == uid
    assert refused(app.client.get, uid) == Reason.OBJECT_ARCHIVED
    identifier = attribute(enums.AttributeType.UNIQUE_IDENTIFIER, uid)
    assert app.client.locate(storage_status_mask=1, attributes=[identifier]) == []
    assert app.client.locate(storage_status_mask=2, attributes=[identifier]) == [uid]
    assert _done(app, Operation.RECOVER, payloads.RecoverRequestPayload(uid)).unique_identifier == uid
    assert app.value(uid, "State") == enums.State.ACTIVE


def test_a_lease_is_as_long_as_the_attribute_says(app: App) -> None:
    uid = app.aes()
    lease = _done(app, Operation.OBTAIN_LEASE, payloads.ObtainLeaseRequestPayload(uid))
    assert lease.unique_identifier == uid
    assert lease.lease_time == app.value(uid, "Lease Time")
    assert lease.last_change_date == app.value(uid, "Last Change Date")


def test_a_usage_that_was_not_limited_is_not_allocated(app: App) -> None:
    uid = app.aes()
    answer = sent(app.client, Operation.GET_USAGE_ALLOCATION, payloads.GetUsageAllocationRequestPayload(uid, 10))
    assert answer.result_status == ResultStatus.OPERATION_FAILED


def test_nothing_is_pending(app: App) -> None:
    answer = sent(app.client, Operation.POLL, payloads.PollRequestPayload(b"never given out"))
    assert answer.result_status == ResultStatus.OPERATION_FAILED
    assert answer.result_reason == app.reason(
        ResultReason.ITEM_NOT_FOUND, ResultReason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE
    )
    # KMIP 1.4 §4.27: a value that "did not match" has a Cancellation Result, it is no failure.
    cancelled = _done(app, Operation.CANCEL, payloads.CancelRequestPayload(b"never given out"))
    assert cancelled.cancellation_result == CancellationResult.UNAVAILABLE


def test_its_own_reader_takes_a_server_correlation_value(app: App) -> None:
    item = messages.RequestBatchItem(
        operation=primitives.Enumeration(enums.Operation, Operation.QUERY, tag=enums.Tags.OPERATION),
        request_payload=payloads.QueryRequestPayload([enums.QueryFunction.QUERY_OPERATIONS]),
    )
    proxy = app.client.proxy
    proxy._send_message(proxy._build_request_message(None, [item]))
    read = messages.ResponseMessage()
    read.read(proxy._receive_message(), app.version)
    given = read.response_header.server_correlation_value
    assert (given is not None) == (app.version.value >= enums.KMIPVersion.KMIP_1_4.value)
    assert given is None or given.value.count("-") == 1
