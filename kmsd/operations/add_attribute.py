"""Add Attribute: KMIP 1.4 §4.14, 2.1 §6.1.2."""

from __future__ import annotations

from kmsd.domain import attribute_rules
from kmsd.operations.context import Context
from protocol.operations.add_attribute import AddAttributeRequest, AddAttributeResponse


async def handle(ctx: Context, request: AddAttributeRequest) -> AddAttributeResponse:
    key = ctx.load(request.unique_identifier)
    added = attribute_rules.add(key, request.new_attribute, ctx.now)
    ctx.authorise_names(key.names, added)
    ctx.save(added)
    instance = added.attributes.all(request.new_attribute.key)[-1]
    return AddAttributeResponse(unique_identifier=key.uid, attribute=instance)
