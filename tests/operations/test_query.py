"""Query and Discover Versions: the truth, per version and tenant; Check: may this client use the object so."""

from __future__ import annotations

from typing import Any

import pytest

from kmsd.operations import HANDLERS
from protocol.attributes import Attribute
from protocol.enums import (
    BatchErrorContinuationOption,
    CryptographicUsageMask,
    DestroyAction,
    ObjectType,
    Operation,
    QueryFunction,
    ResultReason,
    ResultStatus,
    UnwrapMode,
    since,
)
from protocol.enums import ProtectionStorageMask as StorageMask
from protocol.enums import UsageLimitsUnit as Unit
from protocol.errors import ProtocolError
from protocol.message import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    UnreadablePayload,
    decode_response,
    encode_request,
)
from protocol.operations import OPERATIONS
from protocol.operations.check import CheckRequest, CheckResponse
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.operations.query import QueryRequest
from protocol.structures import UsageLimits
from protocol.versions import SUPPORTED, V1_0, V1_2, V1_4, V2_0, V2_1, ProtocolVersion
from tests.operations.conftest import Caller, Server
from tests.operations.requests import create, get


@pytest.mark.parametrize("version", SUPPORTED)
async def test_the_operations_are_those_with_a_handler_in_this_version(app: Caller, version: Any) -> None:
    asked = QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS, QueryFunction.QUERY_OBJECTS))
    answer = await app.at(version).call(asked)
    expected = {
        operation
        for operation in HANDLERS
        # Our own ones would stop clients that know only the specification's: extensions tell of them.
        if operation.known
        # Only tenants of test servers have the one, only tenants with a certificate authority the others.
        if operation not in (Operation.INTEROP, Operation.CERTIFY, Operation.RE_CERTIFY)
        and (spec := OPERATIONS[operation]).since <= version
        and (spec.until is None or version <= spec.until)
    }
    assert set(answer.operations) == expected
    assert Operation.GET in expected
    assert ObjectType.SYMMETRIC_KEY in answer.object_types


@pytest.mark.parametrize("version", SUPPORTED)
async def test_every_function_of_the_version_is_answered(app: Caller, version: Any) -> None:
    functions = tuple(function for function in QueryFunction if since(function) <= version)
    answer = await app.at(version).call(QueryRequest(query_functions=functions))
    assert answer.vendor_identification == "kmsd"
    assert bool(answer.capability_information) == (version >= (1, 3))
    if answer.capability_information:
        capabilities = answer.capability_information[0]
        assert capabilities.unwrap_mode == UnwrapMode.PROCESSED
        assert capabilities.destroy_action == DestroyAction.KEY_MATERIAL_DELETED
    if version >= V2_0:
        [mask] = answer.protection_storage_masks.masks if version == V2_1 else answer.protection_storage_mask
        assert mask == StorageMask.SOFTWARE


async def test_a_client_without_any_right_may_still_query(server: Server) -> None:
    reader = server.caller(name="reader")
    assert await reader.call(QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,)))
    assert await reader.call(DiscoverVersionsRequest())


async def test_versions_in_our_order_or_the_clients(app: Caller) -> None:
    assert (await app.call(DiscoverVersionsRequest())).protocol_versions == SUPPORTED
    asked = (V1_2, ProtocolVersion(9, 9), V2_1)
    answer = await app.call(DiscoverVersionsRequest(protocol_versions=asked))
    assert answer.protocol_versions == (V1_2, V2_1)
    nothing = await app.call(DiscoverVersionsRequest(protocol_versions=(ProtocolVersion(9, 9),)))
    assert nothing.protocol_versions == ()


async def test_an_operation_of_a_later_version_is_not_supported_before(app: Caller) -> None:
    frame = encode_request(
        RequestMessage(
            header=RequestHeader(protocol_version=V1_0, batch_count=1),
            batch_items=(
                RequestBatchItem(
                    operation=Operation.DISCOVER_VERSIONS,
                    payload=UnreadablePayload(ProtocolError("not of this version"), b""),
                ),
            ),
        )
    )
    [item] = decode_response(await app.at(V1_0).send(frame)).batch_items
    assert item.result_reason == ResultReason.OPERATION_NOT_SUPPORTED


async def test_check_says_what_the_object_does_not_allow(app: Caller) -> None:
    limits = UsageLimits(usage_limits_total=100, usage_limits_unit=Unit.BYTE)
    uid = (await app.call(create(Attribute("Usage Limits", limits)))).unique_identifier
    app = app.at(V2_1)
    assert await app.call(CheckRequest(unique_identifier=uid, usage_limits_count=100))
    assert (
        await app.refused(CheckRequest(unique_identifier=uid, usage_limits_count=101))
        == ResultReason.USAGE_LIMIT_EXCEEDED
    )
    sign = CheckRequest(unique_identifier=uid, cryptographic_usage_mask=CryptographicUsageMask.SIGN)
    assert await app.refused(sign) == ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK
    assert await app.at(V1_4).refused(sign) == ResultReason.PERMISSION_DENIED


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
async def test_a_failed_check_tells_what_it_failed_for_and_no_more(app: Caller, version: ProtocolVersion) -> None:
    uid = (await app.call(create())).unique_identifier
    usage, lease = CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.SIGN, 1 << 30
    request = CheckRequest(
        unique_identifier=uid, usage_limits_count=1, cryptographic_usage_mask=usage, lease_time=lease
    )
    [item] = (await app.at(version).batch([request])).batch_items
    assert item.result_status == ResultStatus.OPERATION_FAILED
    assert item.payload == CheckResponse(cryptographic_usage_mask=usage, lease_time=lease)


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
async def test_a_failed_check_is_told_once_where_its_reason_tells(app: Caller, version: ProtocolVersion) -> None:
    limits = UsageLimits(usage_limits_total=1, usage_limits_unit=Unit.BYTE)
    uid = (await app.call(create(Attribute("Usage Limits", limits)))).unique_identifier
    for cause, named in (
        ({"cryptographic_usage_mask": CryptographicUsageMask.SIGN}, True),
        ({"usage_limits_count": 2}, True),
        ({"lease_time": 1 << 30}, False),
        ({"cryptographic_usage_mask": CryptographicUsageMask.SIGN, "usage_limits_count": 2}, False),
    ):
        [item] = (await app.at(version).batch([CheckRequest(unique_identifier=uid, **cause)])).batch_items
        assert item.result_status == ResultStatus.OPERATION_FAILED
        assert item.payload == (None if named and version >= V2_1 else CheckResponse(**cause))


async def test_a_failed_check_empties_the_id_placeholder(app: Caller) -> None:
    sign = CheckRequest(cryptographic_usage_mask=CryptographicUsageMask.SIGN)

    answer = await app.batch([create(), sign, get()], BatchErrorContinuationOption.CONTINUE)
    assert [item.result_status.name for item in answer.batch_items] == [
        "SUCCESS",
        "OPERATION_FAILED",
        "OPERATION_FAILED",
    ]
