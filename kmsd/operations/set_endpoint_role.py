"""Set Endpoint Role: KMIP 2.1 §6.1.54: this end of a connection is the server, and stays so."""

from __future__ import annotations

from kmsd.domain.errors import unsupported
from kmsd.operations.context import Context
from protocol.enums import EndpointRole
from protocol.operations.set_endpoint_role import SetEndpointRoleRequest, SetEndpointRoleResponse


async def handle(ctx: Context, request: SetEndpointRoleRequest) -> SetEndpointRoleResponse:
    """The role that it has is granted; what this server sends by itself goes over connections of its own."""
    if request.endpoint_role != EndpointRole.SERVER:
        raise unsupported("the server does not become the client of a connection that a client opened")
    return SetEndpointRoleResponse(endpoint_role=EndpointRole.SERVER)
