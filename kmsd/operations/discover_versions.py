"""Discover Versions: KMIP 1.4 §4.26, 2.1 §6.1.16."""

from __future__ import annotations

from kmsd.operations.context import Context
from protocol.operations.discover_versions import DiscoverVersionsRequest, DiscoverVersionsResponse
from protocol.versions import SUPPORTED


async def handle(ctx: Context, request: DiscoverVersionsRequest) -> DiscoverVersionsResponse:
    asked = request.protocol_versions
    # The client's order is its preference; without a list, ours is newest first.
    versions = tuple(version for version in asked if version in SUPPORTED) if asked else SUPPORTED
    return DiscoverVersionsResponse(protocol_versions=versions)
