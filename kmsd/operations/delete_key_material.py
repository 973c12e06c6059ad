"""Delete Key Material: the CMK waits for the same material to be imported again. What is gone already stays gone."""

from __future__ import annotations

from kmsd.domain.key_states import Call
from kmsd.operations.addressing import load_cmk
from kmsd.operations.context import Context
from kmsd.operations.key_end import drop_material
from protocol.operations.delete_key_material import DeleteKeyMaterialRequest, DeleteKeyMaterialResponse


async def handle(ctx: Context, request: DeleteKeyMaterialRequest) -> DeleteKeyMaterialResponse:
    cmk = load_cmk(ctx, request.unique_identifier, Call.DELETE_KEY_MATERIAL)
    return DeleteKeyMaterialResponse(unique_identifier=(await drop_material(ctx, cmk)).uid)
