"""Obtain Lease: KMIP 1.4 §4.17, 2.1 §6.1.35."""

from __future__ import annotations

from kmsd.domain import lifecycle
from kmsd.domain.errors import permission_denied
from kmsd.operations.context import Context
from protocol.operations.obtain_lease import ObtainLeaseRequest, ObtainLeaseResponse


async def handle(ctx: Context, request: ObtainLeaseRequest) -> ObtainLeaseResponse:
    """Leases are advice: none is kept. An object that is destroyed or compromised gets no new one."""
    key = ctx.load(request.unique_identifier)
    if lifecycle.is_destroyed(key) or key.state in lifecycle.COMPROMISED:
        raise permission_denied("no new lease is given for a destroyed or compromised object")
    return ObtainLeaseResponse(
        unique_identifier=key.uid,
        lease_time=key.attributes.get("Lease Time", ctx.services.lease_time),
        last_change_date=key.attributes.get("Last Change Date"),
    )
