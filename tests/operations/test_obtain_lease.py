"""Obtain Lease: how long a client may go on with what it has."""

from __future__ import annotations

import pytest

from protocol.enums import ResultReason, RevocationReasonCode
from protocol.operations.obtain_lease import ObtainLeaseRequest
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import activate, create, destroy, revoke


async def test_a_lease_tells_its_time_and_the_last_change(server: Server, app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    server.now += 7
    lease = await app.call(ObtainLeaseRequest(unique_identifier=uid))
    assert (lease.unique_identifier, lease.lease_time, lease.last_change_date) == (uid, 3600, NOW)
    await app.call(activate(uid))
    assert (await app.call(ObtainLeaseRequest(unique_identifier=uid))).last_change_date == NOW + 7


@pytest.mark.parametrize("end", [destroy, lambda uid: revoke(uid, RevocationReasonCode.KEY_COMPROMISE)])
async def test_what_nobody_should_use_any_more_gets_no_lease(app: Caller, end: object) -> None:
    uid = (await app.call(create())).unique_identifier
    assert callable(end)
    await app.call(end(uid))
    assert await app.refused(ObtainLeaseRequest(unique_identifier=uid)) == ResultReason.PERMISSION_DENIED
