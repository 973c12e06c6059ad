"""Discover Versions: the fields of its request and response payloads."""

from protocol.message import ProtocolVersion
from protocol.schema import structure


@structure
class DiscoverVersionsRequest:
    """KMIP 1.4 §4.26, 2.1 §6.1.16."""

    protocol_versions: tuple[ProtocolVersion, ...] = ()


@structure
class DiscoverVersionsResponse:
    """KMIP 1.4 §4.26, 2.1 §6.1.16."""

    protocol_versions: tuple[ProtocolVersion, ...] = ()
