"""Set Endpoint Role: the server is the server."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import EndpointRole, ResultReason
from protocol.operations.set_endpoint_role import SetEndpointRoleRequest
from protocol.versions import V2_0, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import create


@pytest.mark.parametrize("version", [V2_0, V2_1])
async def test_it_keeps_its_role_and_takes_no_other(app: Caller, version: Any) -> None:
    app = app.at(version)
    granted = await app.call(SetEndpointRoleRequest(endpoint_role=EndpointRole.SERVER))
    assert granted.endpoint_role == EndpointRole.SERVER
    other = SetEndpointRoleRequest(endpoint_role=EndpointRole.CLIENT)
    assert await app.refused(other) == ResultReason.FEATURE_NOT_SUPPORTED
    assert await app.call(create())


async def test_a_role_without_it_is_refused(server: Server) -> None:
    reader = server.caller(name="reader", version=V2_1)
    request = SetEndpointRoleRequest(endpoint_role=EndpointRole.SERVER)
    assert await reader.refused(request) == ResultReason.PERMISSION_DENIED
