"""Check: KMIP 1.4 §4.10, 2.1 §6.1.7: may this client use the object so?"""

from __future__ import annotations

from kmsd.domain.errors import KmsError
from kmsd.operations.context import Context
from protocol.enums import ResultReason
from protocol.operations.check import CheckRequest, CheckResponse
from protocol.versions import V2_1

_TELLING = frozenset({ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, ResultReason.USAGE_LIMIT_EXCEEDED})
"""Reasons that name an attribute."""


async def handle(ctx: Context, request: CheckRequest) -> CheckResponse:
    """A refusal tells "the set of attributes specified in the request that caused" it, and no identifier.

    The reason does, where it is that of the one attribute: the mandatory profile cases BL-M-2 and BL-M-3 of 2.1 have no
    payload then. Clients of older versions look into that of a refusal, PyKMIP without asking whether there is one.
    """
    key = ctx.load(request.unique_identifier)
    denied = CheckResponse()
    causes: list[tuple[ResultReason, str]] = []
    mask = request.cryptographic_usage_mask
    if mask is not None and int(mask) & key.usage_mask != int(mask):
        denied.cryptographic_usage_mask = mask
        causes.append(
            (ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "the Cryptographic Usage Mask forbids this use")
        )
    limits = key.attributes.get("Usage Limits")
    wanted = request.usage_limits_count
    if wanted is not None and limits is not None and wanted > (limits.usage_limits_count or 0):
        denied.usage_limits_count = wanted
        causes.append((ResultReason.USAGE_LIMIT_EXCEEDED, "the Usage Limits leave less than this"))
    if request.lease_time is not None and request.lease_time > ctx.services.lease_time:
        denied.lease_time = request.lease_time
        causes.append((ResultReason.PERMISSION_DENIED, "no lease of this length is given"))
    if causes:
        ctx.batch.placeholder = None
        reason, _ = causes[0]
        told = len(causes) == 1 and reason in _TELLING and ctx.version >= V2_1
        raise KmsError(reason, "; ".join(text for _, text in causes), None if told else denied)
    return CheckResponse(unique_identifier=key.uid)
