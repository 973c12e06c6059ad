"""Discover Versions: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.versions import ProtocolVersion


@structure
class DiscoverVersionsRequest:
    """KMIP 1.4 §4.26, 2.1 §6.1.16."""

    protocol_versions: tuple[ProtocolVersion, ...] = ()


@structure
class DiscoverVersionsResponse:
    """KMIP 1.4 §4.26, 2.1 §6.1.16."""

    protocol_versions: tuple[ProtocolVersion, ...] = ()
