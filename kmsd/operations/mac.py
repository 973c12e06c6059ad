"""MAC: KMIP 1.4 §4.33, 2.1 §6.1.32."""

from __future__ import annotations

from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import refuse_streaming
from kmsd.operations.using import permitted
from protocol.operations.mac import MACRequest, MACResponse


async def handle(ctx: Context, request: MACRequest) -> MACResponse:
    refuse_streaming(request)
    data = ctx.resolve_data(request.data)
    use = await permitted(
        ctx, request.unique_identifier, Purpose.MAC_GENERATE, request.cryptographic_parameters, len(data)
    )
    mac = await ctx.crypto(
        use.provider, use.provider.mac, use.permit, data, algorithm=use.key.algorithm, size=len(data)
    )
    return MACResponse(unique_identifier=use.key.uid, mac_data=mac)
