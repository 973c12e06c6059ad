"""What is not served is refused with its reason, and Query does not name it."""

from __future__ import annotations

from typing import Any

import pytest

from kmsd.operations import HANDLERS
from kmsd.operations.declined import DECLINED
from protocol.attributes import Attribute
from protocol.enums import KeyFormatType, Operation, PutFunction, QueryFunction, ResultReason
from protocol.objects import KeyBlock, KeyValue, SymmetricKey
from protocol.operations.notify import NotifyRequest
from protocol.operations.put import PutRequest
from protocol.operations.query import QueryRequest
from protocol.operations.re_provision import ReProvisionRequest
from protocol.versions import V1_0, V2_1
from tests.operations.conftest import Caller

_KEY = SymmetricKey(key_block=KeyBlock(key_format_type=KeyFormatType.RAW, key_value=KeyValue(key_material=bytes(16))))
_REQUESTS: dict[Operation, Any] = {
    Operation.RE_PROVISION: ReProvisionRequest(),
    Operation.NOTIFY: NotifyRequest(unique_identifier="1", attributes=(Attribute("Last Change Date", 1),)),
    Operation.PUT: PutRequest(unique_identifier="1", put_function=PutFunction.NEW, managed_object=_KEY),
}


@pytest.mark.parametrize("operation", DECLINED, ids=lambda operation: operation.name)
async def test_the_refusal_says_why(app: Caller, operation: Operation) -> None:
    [item] = (await app.at(V2_1).batch([_REQUESTS[operation]])).batch_items
    assert item.result_reason == ResultReason.OPERATION_NOT_SUPPORTED
    assert item.result_message == f"the operation is not supported: {DECLINED[operation]}"


async def test_query_does_not_name_it(app: Caller) -> None:
    for version in (V1_0, V2_1):
        query = QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,))
        assert not set((await app.at(version).call(query)).operations) & set(DECLINED)
    assert not set(HANDLERS) & set(DECLINED)
