"""Delegated Login: KMIP 2.1 §6.1.12: another client of the tenant may do some of what this one may."""

from __future__ import annotations

from kmsd.domain.errors import invalid_field, unsupported
from kmsd.operations.context import Context
from kmsd.operations.ticketing import issue
from protocol.operations.delegated_login import DelegatedLoginRequest, DelegatedLoginResponse

MAX_RIGHTS = 64


async def handle(ctx: Context, request: DelegatedLoginRequest) -> DelegatedLoginResponse:
    rights = request.rights.rights
    if not 0 < len(rights) <= MAX_RIGHTS:
        raise invalid_field(f"a ticket is given 1 to {MAX_RIGHTS} rights")
    for right in rights:
        if right.usage_limits is not None:
            raise unsupported("a right is not counted: a ticket has a Request Count")
        if right.objects is not None and not all(isinstance(uid, str) for uid in right.objects.unique_identifiers):
            raise invalid_field("a right names its objects by their Unique Identifiers")
    return DelegatedLoginResponse(ticket=issue(ctx, request, rights))
