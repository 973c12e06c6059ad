"""Discover Versions: KMIP 1.4 §4.27, 2.1 §6.1.16."""

from __future__ import annotations

from protocol.operations.discover_versions import DiscoverVersionsRequest, DiscoverVersionsResponse
from protocol.message import ProtocolVersion
from protocol.versions import SUPPORTED

from kmsd.operations.context import Context


async def handle(ctx: Context, request: DiscoverVersionsRequest) -> DiscoverVersionsResponse:
    ours = [ProtocolVersion.of(version) for version in SUPPORTED]
    asked = request.protocol_versions
    versions = [version for version in asked if version in ours] if asked else ours
    return DiscoverVersionsResponse(protocol_versions=tuple(versions))
