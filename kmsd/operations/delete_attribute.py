"""Delete Attribute: KMIP 1.4 §4.16, 2.1 §6.1.13."""

from __future__ import annotations

from kmsd.domain import attribute_rules
from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from protocol.attributes import AttributeReference
from protocol.enums import ResultReason
from protocol.operations.delete_attribute import DeleteAttributeRequest, DeleteAttributeResponse
from protocol.versions import V2_0


async def handle(ctx: Context, request: DeleteAttributeRequest) -> DeleteAttributeResponse:
    key = ctx.load(request.unique_identifier)
    reference, current = request.attribute_reference, request.current_attribute
    if current is not None:
        reference = AttributeReference(current.name, current.vendor)
    if reference is None:
        raise KmsError(ResultReason.INVALID_MESSAGE, "the attribute to delete is missing")
    # 1.x: "the Attribute Index is 0 if it is not specified"; 2.x: a reference means every instance.
    index = (request.attribute_index or 0) if ctx.version < V2_0 else None
    changed, gone = attribute_rules.delete(key, reference, index, current, ctx.now)
    ctx.authorise_names(key.names, changed)
    ctx.save(changed)
    return DeleteAttributeResponse(unique_identifier=key.uid, attribute=gone)
