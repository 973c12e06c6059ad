"""Get Usage Allocation: a client takes part of the Usage Limits, and nobody gets that part again."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute
from protocol.enums import CryptographicUsageMask, ResultReason, UsageLimitsUnit
from protocol.operations.get_usage_allocation import GetUsageAllocationRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.structures import UsageLimits
from protocol.versions import SUPPORTED, V1_4, V2_1
from tests.operations.conftest import NOW, Caller
from tests.operations.requests import attributes, create, shown

LIMITS = Attribute("Usage Limits", UsageLimits(usage_limits_total=1000, usage_limits_unit=UsageLimitsUnit.BYTE))
ACTIVE = Attribute("Activation Date", NOW)


def allocation(uid: str, count: int) -> GetUsageAllocationRequest:
    return GetUsageAllocationRequest(unique_identifier=uid, usage_limits_count=count)


@pytest.mark.parametrize("version", SUPPORTED)
async def test_allocations_use_the_limits_up(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(create(LIMITS, ACTIVE))).unique_identifier
    assert (await app.call(allocation(uid, 600))).unique_identifier == uid
    expected = ResultReason.USAGE_LIMIT_EXCEEDED if version >= (2, 0) else ResultReason.PERMISSION_DENIED
    assert await app.refused(allocation(uid, 401)) == expected
    await app.call(allocation(uid, 400))
    limits = shown(await app.call(attributes(uid)))["Usage Limits"]
    assert (limits.usage_limits_total, limits.usage_limits_count) == (1000, 0)
    changed = ModifyAttributeRequest(unique_identifier=uid, new_attribute=LIMITS)
    # "SHALL NOT be changed once the object begins to be used" (KMIP 1.4 §3.21).
    expected = ResultReason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else ResultReason.PERMISSION_DENIED
    assert await app.refused(changed) == expected


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (create(ACTIVE), ResultReason.ATTRIBUTE_NOT_FOUND),
        (create(LIMITS), ResultReason.WRONG_KEY_LIFECYCLE_STATE),
        (
            create(LIMITS, ACTIVE, usage=CryptographicUsageMask.DECRYPT),
            ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
        ),
        (create(LIMITS, ACTIVE, Attribute("Protect Stop Date", NOW)), ResultReason.WRONG_KEY_LIFECYCLE_STATE),
    ],
)
async def test_only_what_protects_now_is_allocated(app: Caller, request_: Any, reason: ResultReason) -> None:
    uid = (await app.call(request_)).unique_identifier
    assert await app.at(V2_1).refused(allocation(uid, 1)) == reason
    assert await app.at(V1_4).refused(allocation(uid, 1)) == ResultReason.ILLEGAL_OPERATION


@pytest.mark.parametrize("count", [0, -1])
async def test_nothing_is_not_allocated(app: Caller, count: int) -> None:
    uid = (await app.call(create(LIMITS, ACTIVE))).unique_identifier
    assert await app.refused(allocation(uid, count)) == ResultReason.INVALID_FIELD
