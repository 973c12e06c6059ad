"""Modify Attribute: KMIP 1.4 §4.15, 2.1 §6.1.34."""

from __future__ import annotations

from kmsd.domain import attribute_rules
from kmsd.operations.context import Context
from protocol.operations.modify_attribute import ModifyAttributeRequest, ModifyAttributeResponse


async def handle(ctx: Context, request: ModifyAttributeRequest) -> ModifyAttributeResponse:
    key = ctx.load(request.unique_identifier)
    changed = attribute_rules.modify(key, request.new_attribute, request.current_attribute, ctx.now)
    ctx.authorise_names(key.names, changed)
    ctx.save(changed)
    return ModifyAttributeResponse(unique_identifier=key.uid, attribute=request.new_attribute)
