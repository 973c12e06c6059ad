"""Export: KMIP 1.4 §4.40, 2.1 §6.1.18: the object as Get gives it, with its attributes."""

from __future__ import annotations

from kmsd.domain import lifecycle, shown_attributes
from kmsd.domain.errors import KmsError
from kmsd.operations import shells
from kmsd.operations.context import Context
from kmsd.operations.get import served, without_value
from protocol.enums import ObjectType, ResultReason
from protocol.objects import OBJECT_CLASSES
from protocol.operations.export import ExportRequest, ExportResponse


async def handle(ctx: Context, request: ExportRequest) -> ExportResponse:
    """Of a destroyed object only the attributes and the empty Key Block: "the key material ... SHALL not be
    returned". The attributes are those before this request."""
    key = ctx.load(request.unique_identifier)
    if lifecycle.is_destroyed(key):
        if key.object_type == ObjectType.TEMPLATE or OBJECT_CLASSES[key.object_type] in shells.VALUE_FIELDS:
            raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed, and has nothing but a value")
        wire = without_value(key)
    else:
        wire = await served(ctx, key, request)
    ctx.give(key.uid)
    return ExportResponse(
        object_type=key.object_type,
        unique_identifier=key.uid,
        attributes=tuple(shown_attributes.visible(key, ctx.version)),
        managed_object=wire,
    )
