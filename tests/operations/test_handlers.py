"""The two tables of operations agree: what has a handler has payloads, and one name in all places."""

from __future__ import annotations

import inspect

import pytest

from kmsd.operations import HANDLERS
from protocol.enums import Operation
from protocol.operations import OPERATIONS


@pytest.mark.parametrize("operation", HANDLERS, ids=lambda o: o.name)
def test_a_handler_has_its_name_and_takes_the_operations_request(operation: Operation) -> None:
    handler = HANDLERS[operation]
    module = handler.__module__.rpartition(".")[2]
    spec = OPERATIONS[operation]
    assert module == spec.request.__module__.rpartition(".")[2]
    signature = inspect.signature(handler)
    assert list(signature.parameters.values())[1].annotation == spec.request.__name__
    # Poll answers in the words of another request.
    answer = "ResponseBatchItem" if operation == Operation.POLL else spec.response.__name__
    assert signature.return_annotation == answer
