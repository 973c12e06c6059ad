"""Who a request is from: the certificate's client, or one of its users, by Username and Password or by Device."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from kmsd.config.passwords import hash_password
from kmsd.config.reading import read
from kmsd.config.tenants import ClientDirectory, KnownClient, Tenant
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.operations.attempts import REMEMBERED, Attempts
from kmsd.operations.tickets import Tickets
from kmsd.server.connections import Refused
from kmsd.server.identity import Peer, Peers
from protocol.enums import CredentialType, ResultReason
from protocol.message import Authentication
from protocol.operations.locate import LocateRequest
from protocol.operations.login import LoginRequest
from protocol.structures import Credential, DeviceCredential, UsernameAndPassword
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_1
from tests.operations.conftest import Caller, Server, server, tenant_settings
from tests.operations.requests import create, get
from tests.operations.test_login import reason, with_ticket

__all__ = ["server"]

WRONG = ResultReason.AUTHENTICATION_NOT_SUCCESSFUL


def shown(*values: Any) -> Authentication:
    kinds = {
        UsernameAndPassword: CredentialType.USERNAME_AND_PASSWORD,
        DeviceCredential: CredentialType.DEVICE,
    }
    return Authentication(
        credentials=tuple(Credential(credential_type=kinds[type(v)], credential_value=v) for v in values)
    )


FRED = UsernameAndPassword(username="Fred", password="one")
BARNEY = UsernameAndPassword(username="barney", password="two")
DISK = DeviceCredential(device_serial_number="4711", media_identifier="m", password="three", machine_identifier="?")
PLAIN = DeviceCredential(network_identifier="n")


@pytest.fixture(scope="module")
def users() -> dict[str, Any]:
    return {
        "Fred": {"password": hash_password(b"one"), "roles": ("creator",)},
        "Barney": {"username": "barney", "password": hash_password(b"two"), "roles": ("creator",)},
        "disk": {
            "device": {
                "device_serial_number": "4711",
                "media_identifier": "m",
                "password": hash_password(b"three"),
            },
            "roles": ("creator",),
        },
        "plain": {"device": {"network_identifier": "n"}, "roles": ("reader",)},
    }


def sharing(server: Server, users: dict[str, Any], **client: Any) -> Caller:
    """A client whose certificate these users share."""
    roles = {
        "admin": ({"operations": "*"},),
        "creator": ({"operations": "*", "own": True},),
        "reader": ({"operations": ("Locate",)},),
    }
    values = {"certificate": {"common_name": "shared"}, "users": users, **client}
    settings = tenant_settings(roles=roles, clients={"shared": values})
    peers = type(server.peers)(server.peers._directory, {"acme": settings.policy}, server.services.tickets)
    server.peers = server.dispatcher._peers = peers
    known = settings.clients["shared"]
    peer = Peer(KnownClient(Identity("acme", "shared", known.roles), known), "192.0.2.1:1")
    server.peer = lambda tenant, name: peer  # type: ignore[method-assign]
    return server.caller(name="shared")


async def made(app: Caller, authentication: Authentication | None) -> str:
    [item] = (await app.batch([create()], authentication=authentication)).batch_items
    uid: str = item.payload.unique_identifier  # type: ignore[attr-defined]
    return uid


@pytest.mark.parametrize("version", SUPPORTED)
async def test_users_see_what_they_have_made(server: Server, users: dict[str, Any], version: Any) -> None:
    app = sharing(server, users).at(version)
    pairs: list[tuple[Any, Any]] = [(FRED, BARNEY)]
    if version > V1_0:
        pairs.append((DISK, FRED))
    for mine, other in pairs:
        uid = await made(app, shown(mine))
        assert await reason(app, get(uid), shown(mine)) is None
        assert await reason(app, get(uid), shown(other)) == ResultReason.PERMISSION_DENIED
    [item] = (await app.batch([LocateRequest()], authentication=shown(BARNEY))).batch_items
    assert item.payload.unique_identifiers == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "wrong",
    [
        (UsernameAndPassword(username="Fred", password="two"),),
        (UsernameAndPassword(username="Fred"),),
        (UsernameAndPassword(username="Barney", password="two"),),
        (UsernameAndPassword(username="disk", password="three"),),
        (DeviceCredential(device_serial_number="4711", password="three"),),
        (DeviceCredential(device_serial_number="4711", media_identifier="m", password="one"),),
        (DeviceCredential(),),
        (FRED, BARNEY),
    ],
)
async def test_a_wrong_credential_opens_nothing(server: Server, users: dict[str, Any], wrong: Any) -> None:
    app = sharing(server, users, roles=("admin",))
    assert await reason(app, create(), shown(*wrong)) == WRONG


async def test_two_credentials_of_one_user_are_one(server: Server, users: dict[str, Any]) -> None:
    assert await reason(sharing(server, users), create(), shown(FRED, FRED)) is None


async def test_without_a_credential_it_is_the_client_if_that_has_roles(server: Server, users: dict[str, Any]) -> None:
    assert await reason(sharing(server, users), create(), None) == WRONG
    assert await reason(sharing(server, users, roles=("admin",)), create(), None) is None


async def test_a_device_without_a_password_is_known_by_its_fields(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    assert await reason(app, LocateRequest(), shown(PLAIN)) is None
    assert await reason(app, create(), shown(PLAIN)) == ResultReason.PERMISSION_DENIED


async def test_a_client_may_need_its_device_credential(server: Server, users: dict[str, Any]) -> None:
    device = users["disk"]["device"]
    app = sharing(server, {}, roles=("admin",), device=device)
    assert await reason(app, create(), shown(DISK)) is None
    for wrong in (None, shown(FRED), shown(PLAIN)):
        assert await reason(app, create(), wrong) == WRONG


async def test_a_users_ticket_stands_for_that_user(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users).at(V2_1)
    [item] = (await app.batch([LoginRequest()], authentication=shown(FRED))).batch_items
    ticket = with_ticket(item.payload.ticket)  # type: ignore[attr-defined]
    uid = await made(app, ticket)
    assert await reason(app.at(V1_4), get(uid), shown(FRED)) is None
    key = server.store.get("acme", uid)
    assert key is not None
    assert key.owner == "Fred"


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": {}},
        {"device": {"password": "x"}},
        {"device": {"media_identifier": "m"}, "username": "x"},
        {"users": {"u": {"roles": ()}}},
    ],
)
def test_declarations_that_prove_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"device|password|user"):
        tenant_settings(clients={"shared": {"certificate": {"common_name": "x"}, "roles": (), **wrong}})


async def test_a_stranger_is_named_for_the_log(server: Server) -> None:
    certificate = trustme.CA().issue_cert(common_name="stranger.example")
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    with pytest.raises(Refused) as refused:
        server.peers.identify(der, "192.0.2.1:5")
    assert "CN=stranger.example" in str(refused.value)
    assert hashlib.sha256(der).hexdigest() in str(refused.value)


def test_a_certificate_of_two_clients_is_refused_and_both_are_named() -> None:
    clients = {
        "one": {"certificate": {"common_name": "one"}, "roles": ("all",)},
        "two": {"certificate": {"san": "DNS:two.example"}, "roles": ("all",)},
    }
    settings = read(Tenant, {"roles": {"all": ({"operations": "*"},)}, "clients": clients})
    peers = Peers(ClientDirectory({"acme": settings}), {}, Tickets(lifetime=60, per_client=1))
    certificate = trustme.CA().issue_cert("two.example", common_name="one")
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    with pytest.raises(Refused, match="of several clients, acme/one and acme/two"):
        peers.identify(der, "192.0.2.1:5")


# ---- who is wrong too often -------------------------------------------------------------------------------------
async def said(app: Caller, authentication: Authentication) -> str | None:
    [item] = (await app.batch([LocateRequest()], authentication=authentication)).batch_items
    return item.result_message


NAMELESS = "the credential is wrong"
GUESS = UsernameAndPassword(username="Fred", password="guess")


async def test_who_is_wrong_too_often_waits_ever_longer(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    for _ in range(5):
        assert await said(app, shown(GUESS)) == NAMELESS
    for wait in (1, 2, 4, 8):
        # The right one would be refused as well, or guesses could go on.
        for credential in (GUESS, FRED):
            assert await said(app, shown(credential)) == f"too many wrong credentials: the next one in {wait} s"
        server.now += wait
        assert await said(app, shown(GUESS)) == NAMELESS
    server.now += 300
    assert await said(app, shown(FRED)) is None
    # That was right, on a connection that need not prove it again.
    for _ in range(4):
        assert await said(app, shown(GUESS)) == NAMELESS
    assert await said(app, shown(FRED)) is None


async def test_names_that_nobody_has_wait_as_well(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    nobody = shown(UsernameAndPassword(username="nobody", password="x"))
    for _ in range(5):
        assert await said(app, nobody) == NAMELESS
    assert "too many" in str(await said(app, nobody))


async def test_names_that_nobody_has_are_one_and_let_no_guess_be_forgotten(
    server: Server, users: dict[str, Any]
) -> None:
    app = sharing(server, users)
    for _ in range(5):
        await said(app, shown(GUESS))
    peers, peer = server.peers, server.peer("acme", "shared")
    answers = []
    for number in range(REMEMBERED):
        nobody = shown(UsernameAndPassword(username=f"nobody{number}", password="x"))
        with pytest.raises(KmsError) as refused:
            await peers.authenticate(peer, nobody, server.now)
        answers.append(refused.value.message)
    assert answers.count(NAMELESS) == 5
    assert "too many" in str(await said(app, shown(FRED)))
    assert await said(app, shown(BARNEY)) is None


async def test_a_device_without_a_password_lets_off_no_other(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    guess = shown(replace(DISK, password="guess"))
    for _ in range(4):
        assert await said(app, guess) == NAMELESS
    assert await said(app, shown(PLAIN)) is None
    assert await said(app, guess) == NAMELESS
    assert "too many" in str(await said(app, guess))


@pytest.mark.parametrize("name", ["Fred", "nobody"])
async def test_a_name_that_nobody_has_is_verified_as_one_that_somebody_has(
    server: Server, users: dict[str, Any], name: str
) -> None:
    """So that names are not told by time: both wait for the threads that Argon2 takes."""
    app = sharing(server, users)
    limiter = server.dispatcher._peers._password_limiter
    borrowers = [object() for _ in range(int(limiter.total_tokens))]
    for borrower in borrowers:
        limiter.acquire_on_behalf_of_nowait(borrower)
    answers: list[str | None] = []

    async def ask() -> None:
        answers.append(await said(app, shown(UsernameAndPassword(username=name, password="x"))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert limiter.statistics().tasks_waiting == 1
        assert not answers
        for borrower in borrowers:
            limiter.release_on_behalf_of(borrower)
    assert answers == [NAMELESS]


@pytest.mark.parametrize("password", ["one", "two"])
async def test_a_password_of_somebody_s_is_none_of_nobody_s(
    server: Server, users: dict[str, Any], password: str
) -> None:
    app = sharing(server, users)
    assert await said(app, shown(UsernameAndPassword(username="nobody", password=password))) == NAMELESS


async def test_another_name_and_another_address_do_not_wait(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    for _ in range(6):
        await said(app, shown(GUESS))
    assert await said(app, shown(BARNEY)) is None
    server.peer("acme", "shared").address = "192.0.2.1:7"
    assert "too many" in str(await said(app, shown(FRED)))
    server.peer("acme", "shared").address = "192.0.2.7:1"
    assert await said(app, shown(FRED)) is None


async def test_many_guesses_at_once_are_no_more_than_one_after_the_other(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    answers: list[str | None] = []

    async def guess() -> None:
        answers.append(await said(app, shown(GUESS)))

    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(guess)
    assert answers.count(NAMELESS) == 5
    assert len(answers) == 9


async def test_the_audit_says_who_had_to_wait(server: Server, users: dict[str, Any]) -> None:
    app = sharing(server, users)
    for _ in range(6):
        await said(app, shown(GUESS))
    records = [record for _, record in server.store.audit_after(0)]
    assert [record.detail for record in records] == [NAMELESS] * 5 + ["too many wrong credentials: the next one in 1 s"]
    assert {(record.client, record.reason) for record in records} == {("shared", WRONG.name)}


async def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(free=1)
    for number in range(REMEMBERED + 100):
        async with attempts.one("owner", number, 0) as seen:
            seen(False)
    assert len(attempts) == REMEMBERED
    async with attempts.one("owner", REMEMBERED + 99, 2) as seen:
        seen(True)
    assert len(attempts) == REMEMBERED - 1
    with pytest.raises(KmsError):
        async with attempts.one("owner", REMEMBERED + 98, 0.5):
            pass


async def test_who_waits_is_not_forgotten_for_who_does_not_nor_for_another_owners() -> None:
    attempts = Attempts(free=2)
    for owner in ("owner", "another"):
        for _ in range(2):
            async with attempts.one(owner, "somebody", 0) as seen:
                seen(False)
    for number in range(2 * REMEMBERED):
        async with attempts.one("owner", number, 0) as seen:
            seen(False)
    assert len(attempts) == REMEMBERED + 1
    for owner in ("owner", "another"):
        with pytest.raises(KmsError):
            async with attempts.one(owner, "somebody", 0.5):
                pass


async def test_a_reload_lets_nobody_off() -> None:
    attempts = Attempts(free=1)
    async with attempts.one("owner", "somebody", 0) as seen:
        seen(False)
    attempts.limit(free=9, longest=60)
    with pytest.raises(KmsError):
        async with attempts.one("owner", "somebody", 0.5):
            pass
    async with attempts.one("owner", "somebody", 1) as seen:
        seen(False)
    async with attempts.one("owner", "somebody", 1):
        pass
