"""Get Attribute List: KMIP 1.4 §4.13, 2.1 §6.1.21: the names, each once."""

from __future__ import annotations

from kmsd.domain import shown_attributes
from kmsd.operations import cmk_attributes
from kmsd.operations.context import Context
from protocol.attributes import AttributeReference
from protocol.operations.get_attribute_list import GetAttributeListRequest, GetAttributeListResponse


async def handle(ctx: Context, request: GetAttributeListRequest) -> GetAttributeListResponse:
    key = ctx.load(request.unique_identifier)
    shown = shown_attributes.visible(key, ctx.version, cmk_attributes.of(ctx, key))
    references = dict.fromkeys(AttributeReference(attribute.name, attribute.vendor) for attribute in shown)
    return GetAttributeListResponse(unique_identifier=key.uid, attribute_references=tuple(references))
