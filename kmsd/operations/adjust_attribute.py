"""Adjust Attribute: KMIP 2.1 §6.1.3."""

from __future__ import annotations

from kmsd.domain import adjusting
from kmsd.operations.context import Context
from protocol.operations.adjust_attribute import AdjustAttributeRequest, AdjustAttributeResponse


async def handle(ctx: Context, request: AdjustAttributeRequest) -> AdjustAttributeResponse:
    key = ctx.load(request.unique_identifier)
    changed = adjusting.adjust(
        key, request.attribute_reference, request.adjustment_type, request.adjustment_value, ctx.now
    )
    ctx.save(changed)
    return AdjustAttributeResponse(unique_identifier=key.uid)
