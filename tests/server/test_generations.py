"""What one configuration leaves to the next: requests in work and put off, peers, tickets, streams, listeners."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.config.passwords import hash_password
from kmsd.config.receivers import Receiver
from kmsd.config.tenants import ClientDirectory, KnownClient, Tenant
from kmsd.domain.identity import Identity
from kmsd.domain.policy import Grants
from kmsd.operations.asynchronous import Job, Owner, Requests
from kmsd.server.connections import Refused
from kmsd.server.identity import Peer, Peers, Shown
from kmsd.server.notices import Listening, Notices
from protocol.enums import HashingAlgorithm, Operation, ResultReason, ResultStatus
from protocol.message import RequestBatchItem, RequestHeader, RequestMessage, decode_response, encode_request
from protocol.operations.hash import HashRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server, server, tenant_settings
from tests.operations.requests import create
from tests.operations.test_login import login, password, reason, with_ticket

__all__ = ["server"]

ROLES = {"all": ({"operations": "*"},), "none": ({"operations": ("Query",)},)}


def settings(roles: tuple[str, ...] = ("all",), **client: Any) -> Tenant:
    app = {"certificate": {"common_name": "app"}, "roles": roles, **client}
    return tenant_settings(roles=ROLES, clients={"app": app})


def follow(server: Server, tenant: Tenant | None, generation: int) -> None:
    """Serve tenant acme so, or not at all, from the next request on."""
    tenants = dict(server.services.tenants)
    if tenant is None:
        del tenants["acme"]
    else:
        tenants["acme"] = replace(tenants["acme"], policy=tenant.policy)
    server.services.tenants = tenants
    policies = {name: served.policy for name, served in tenants.items()}
    directory = ClientDirectory({} if tenant is None else {"acme": tenant})
    server.peers = Peers(directory, policies, server.services.tickets, generation)
    server.dispatcher.follow(server.peers, 64)


@pytest.fixture
def peer(server: Server) -> Peer:
    """A connection of acme's client under the first configuration, which asks for a password."""
    tenant = settings(password=hash_password(b"secret"))
    follow(server, tenant, 0)
    known = KnownClient(Identity("acme", "app", ("all",)), tenant.clients["app"])
    return Peer(known, "192.0.2.1:1", shown=Shown(common_names=("app",)))


async def ask(server: Server, peer: Peer, **header: Any) -> tuple[ResultStatus, ResultReason | None]:
    item = RequestBatchItem(operation=Operation.CREATE, payload=create())
    message = RequestMessage(header=RequestHeader(protocol_version=V2_1, batch_count=1, **header), batch_items=(item,))
    answer = await server.dispatcher.respond(peer, encode_request(message))
    [answered] = decode_response(answer.data).batch_items
    return answered.result_status, answered.result_reason


@pytest.mark.parametrize("after", [settings(("none",)), None], ids=["without rights", "without the tenant"])
async def test_a_request_in_work_ends_as_it_began(server: Server, peer: Peer, after: Tenant | None) -> None:
    found = []
    async with trio.open_nursery() as nursery:

        async def request() -> None:
            found.append(await ask(server, peer, authentication=password("secret")))

        nursery.start_soon(request)
        # It is now in a thread, where the password is verified.
        await trio.testing.wait_all_tasks_blocked()
        assert not found
        follow(server, after, 1)
    assert found == [(ResultStatus.SUCCESS, None)]
    if after is None:
        with pytest.raises(Refused):
            await ask(server, peer)
    else:
        assert await ask(server, peer) == (ResultStatus.OPERATION_FAILED, ResultReason.PERMISSION_DENIED)


async def test_what_a_peer_has_proven_counts_under_one_configuration_only(server: Server, peer: Peer) -> None:
    right = {"authentication": password("secret")}
    assert (await ask(server, peer, **right))[0] == ResultStatus.SUCCESS
    follow(server, settings(password=hash_password(b"other")), 1)
    assert (await ask(server, peer, **right))[1] == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL
    assert (await ask(server, peer, authentication=password("other")))[0] == ResultStatus.SUCCESS


async def test_a_refused_peer_is_audited(server: Server, peer: Peer) -> None:
    follow(server, None, 1)
    with pytest.raises(Refused):
        await ask(server, peer)
    [*_, (_, last)] = server.store.audit_after(0)
    assert (last.operation, last.reason) == ("CONNECT", "AUTHENTICATION_NOT_SUCCESSFUL")


async def test_a_ticket_has_the_rights_that_its_issuer_has_now(server: Server) -> None:
    app = server.caller(version=V2_1)
    ticket = with_ticket(await login(app))
    assert await reason(app, create(), ticket) is None
    server.services.tickets.revise(lambda issuer: replace(issuer, roles=("reader",)))
    assert await reason(app, create(), ticket) == ResultReason.PERMISSION_DENIED
    server.services.tickets.revise(lambda issuer: None)
    assert await reason(app, create(), ticket) == ResultReason.INVALID_TICKET


async def test_a_stream_goes_on_under_other_roles_and_ends_with_its_client(server: Server) -> None:
    sha256 = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)

    async def begin(app: Caller) -> bytes:
        first = HashRequest(cryptographic_parameters=sha256, data=b"a", init_indicator=True)
        value: bytes = (await app.call(first)).correlation_value
        return value

    def last(value: bytes) -> HashRequest:
        return HashRequest(cryptographic_parameters=sha256, data=b"b", correlation_value=value, final_indicator=True)

    app = server.caller()
    first, second = await begin(app), await begin(app)
    server.change(
        "acme", tenant_settings(clients={"app": {"certificate": {"common_name": "app"}, "roles": ("admin", "reader")}})
    )
    assert (await app.call(last(first))).data
    server.services.streams.drop(lambda tenant, client: (tenant, client) == ("acme", "app"))
    assert await app.refused(last(second)) is not None


async def test_nothing_begins_for_an_owner_that_is_gone(nursery: trio.Nursery) -> None:
    requests = Requests(keep=1, per_client=4, delay=60)
    await nursery.start(requests.run)
    begun: list[Job] = []

    async def work(jobs: Any) -> None:
        begun.extend(job for job in jobs if job.begin())

    [gone] = requests.submit(Owner("acme", "app"), [Operation.CREATE], 0, work)
    [kept] = requests.submit(Owner("acme", "other"), [Operation.CREATE], 0, work)
    requests.drop(lambda tenant, client: client == "app")
    for job in (gone, kept):
        job.wanted.set()
    await trio.testing.wait_all_tasks_blocked()
    assert begun == [kept]
    assert gone.failed
    nursery.cancel_scope.cancel()


async def test_who_goes_on_listening_misses_nothing_and_who_does_not_is_told_nothing() -> None:
    def listening(client: str, port: int = 5696) -> Listening:
        receiver = Receiver(host="192.0.2.1", port=port, ca=(Path("ca.pem"),))
        return Listening(Identity("acme", client, ()), Grants(()), receiver)

    stays, moves, goes = listening("stays"), listening("moves"), listening("goes")
    notices = Notices([stays, moves, goes], Path("server.pem"), Path("server.key"))
    grants = Grants(())
    again = replace(listening("stays"), grants=grants)
    notices.follow([again, listening("moves", 1)], Path("server.pem"), Path("server.key"))
    [kept, moved] = notices._by_tenant["acme"]
    assert kept is stays
    assert kept.grants is grants
    assert moved is not moves
    assert [one.serving.cancel_called for one in (stays, moves, goes)] == [False, True, True]
    notices.follow([], Path("server.pem"), Path("server.key"))
    assert not notices.watches("acme")
