"""Interop is for test servers: a tenant has it where its configuration says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.enums import InteropFunction, Operation, QueryFunction, ResultReason
from protocol.operations.interop import InteropRequest
from protocol.operations.query import QueryRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server

QUERY = QueryRequest(query_functions=(QueryFunction.QUERY_OPERATIONS,))


def enable(server: Server) -> None:
    tenant = server.services.tenants["acme"]
    server.services.tenants["acme"] = replace(tenant, policy=replace(tenant.policy, interop=True))  # type: ignore[index]


async def test_a_production_server_has_no_interop(app: Caller) -> None:
    app = app.at(V2_1)
    request = InteropRequest(interop_function=InteropFunction.BEGIN, interop_identifier="X-1")
    assert await app.refused(request) == ResultReason.OPERATION_NOT_SUPPORTED
    assert Operation.INTEROP not in (await app.call(QUERY)).operations


@pytest.mark.parametrize("function", [InteropFunction.BEGIN, InteropFunction.END, InteropFunction.RESET])
async def test_a_test_server_takes_note(server: Server, app: Caller, function: InteropFunction) -> None:
    enable(server)
    app = app.at(V2_1)
    assert await app.call(InteropRequest(interop_function=function, interop_identifier="X-1"))
    assert Operation.INTEROP in (await app.call(QUERY)).operations


async def test_an_unknown_function_is_refused(server: Server, app: Caller) -> None:
    enable(server)
    request = InteropRequest(interop_function=InteropFunction(9), interop_identifier="X-1")
    assert await app.at(V2_1).refused(request) == ResultReason.INVALID_FIELD
