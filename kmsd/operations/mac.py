"""MAC: KMIP 1.4 §4.33, 2.1 §6.1.32."""

from __future__ import annotations

from kmsd.domain.usage import Purpose
from kmsd.operations.context import Context
from kmsd.operations.streaming import cipher_part, is_whole
from kmsd.operations.using import permitted
from protocol.operations.mac import MACRequest, MACResponse


async def handle(ctx: Context, request: MACRequest) -> MACResponse:
    if not is_whole(request):
        part = await cipher_part(ctx, request, Purpose.MAC_GENERATE)
        return MACResponse(unique_identifier=part.use.key.uid, mac_data=part.data, correlation_value=part.correlation)
    data = ctx.resolve_data(request.data)
    use = permitted(ctx, request.unique_identifier, Purpose.MAC_GENERATE, request.cryptographic_parameters, len(data))
    mac = await ctx.crypto(
        use.provider, use.provider.mac, use.permit, data, algorithm=use.permit.algorithm, size=len(data)
    )
    return MACResponse(unique_identifier=use.key.uid, mac_data=mac)
