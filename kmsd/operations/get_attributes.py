"""Get Attributes: KMIP 1.4 §4.12, 2.1 §6.1.20. An attribute that is not set is left out, no error."""

from __future__ import annotations

from kmsd.domain import shown_attributes
from kmsd.operations import cmk_attributes
from kmsd.operations.context import Context
from protocol.operations.get_attributes import GetAttributesRequest, GetAttributesResponse


async def handle(ctx: Context, request: GetAttributesRequest) -> GetAttributesResponse:
    key = ctx.load(request.unique_identifier)
    more = cmk_attributes.of(ctx, key)
    attributes = shown_attributes.chosen(key, request.attribute_references, ctx.version, more)
    return GetAttributesResponse(unique_identifier=key.uid, attributes=tuple(attributes))
