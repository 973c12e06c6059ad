"""Set Endpoint Role: the fields of its request and response payloads."""

from protocol.enums import EndpointRole
from protocol.schema import structure


@structure
class SetEndpointRoleRequest:
    """KMIP 2.1 §6.1.54."""

    endpoint_role: EndpointRole


@structure
class SetEndpointRoleResponse:
    """KMIP 2.1 §6.1.54."""

    endpoint_role: EndpointRole
