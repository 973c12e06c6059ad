"""Set Attribute: KMIP 2.1 §6.1.51."""

from __future__ import annotations

from kmsd.domain import attribute_rules
from kmsd.operations.context import Context
from protocol.operations.set_attribute import SetAttributeRequest, SetAttributeResponse


async def handle(ctx: Context, request: SetAttributeRequest) -> SetAttributeResponse:
    key = ctx.load(request.unique_identifier)
    ctx.save(attribute_rules.set_(key, request.new_attribute, ctx.now))
    return SetAttributeResponse(unique_identifier=key.uid)
