"""Login: the ticket stands for the client's credential, for as long and as often as it was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from kmsd.config.passwords import hash_password
from kmsd.config.tenants import KnownClient
from kmsd.domain.identity import Identity
from kmsd.server.identity import DECLINED, Peer
from protocol.enums import (
    AttestationType,
    CredentialType,
    Operation,
    ResultReason,
    ResultStatus,
    TicketType,
    UsageLimitsUnit,
)
from protocol.message import Authentication
from protocol.names import Tag
from protocol.operations.discover_versions import DiscoverVersionsRequest
from protocol.operations.login import LoginRequest
from protocol.structures import (
    CREDENTIAL_VALUES,
    AttestationCredential,
    Credential,
    DeviceCredential,
    HashedPasswordCredential,
    Nonce,
    OneTimePasswordCredential,
    Ticket,
    TicketCredential,
    UsageLimits,
    UsernameAndPassword,
)
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_2, V1_4, V2_0, V2_1, ProtocolVersion
from tests.operations.conftest import NOW, Caller, Server, tenant_settings
from tests.operations.requests import attributes, create


def with_ticket(ticket: Ticket) -> Authentication:
    return with_credential(CredentialType.TICKET, TicketCredential(ticket=ticket))


def with_credential(kind: CredentialType, value: Any) -> Authentication:
    return Authentication(credentials=(Credential(credential_type=kind, credential_value=value),))


async def reason(app: Caller, payload: Any, authentication: Authentication | None) -> ResultReason | None:
    """Why a request was refused; None where it was not."""
    return (await app.batch([payload], authentication=authentication)).batch_items[0].result_reason


def interval(seconds: int) -> Item:
    return Item(Tag.LEASE_TIME, ItemType.INTERVAL, seconds)


@pytest.fixture
def secured(server: Server) -> Caller:
    """A client that must show its password, `secret`, or a ticket."""
    password = {"password": hash_password(b"secret")}
    settings = tenant_settings(
        clients={
            "app": {"certificate": {"common_name": "app"}, "roles": ("admin",), **password},
            "reader": {"certificate": {"common_name": "reader"}, "roles": ("reader",)},
        }
    )
    server.settings["acme"] = settings
    client = settings.clients["app"]
    peer = Peer(KnownClient(Identity("acme", "app", client.roles), client), "192.0.2.1:1")
    caller = server.caller(version=V2_1)
    usual = server.peer
    server.peer = lambda tenant, name: peer if (tenant, name) == ("acme", "app") else usual(tenant, name)  # type: ignore[method-assign]
    return caller


def password(text: str) -> Authentication:
    return with_credential(CredentialType.USERNAME_AND_PASSWORD, UsernameAndPassword(username="app", password=text))


async def login(app: Caller, request: LoginRequest | None = None, **header: Any) -> Ticket:
    [item] = (await app.batch([request or LoginRequest()], **header)).batch_items
    assert item.result_status == ResultStatus.SUCCESS, item
    ticket: Ticket = item.payload.ticket  # type: ignore[attr-defined]
    return ticket


@pytest.mark.parametrize("version", [V2_0, V2_1])
async def test_a_ticket_stands_for_the_password(secured: Caller, version: Any) -> None:
    secured = secured.at(version)
    assert await reason(secured, create(), None) == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL
    ticket = await login(secured, authentication=password("secret"))
    assert ticket.ticket_type == TicketType.LOGIN
    assert len(ticket.ticket_value) == 32
    assert await reason(secured, create(), with_ticket(ticket)) is None
    assert await reason(secured, create(), None) == ResultReason.AUTHENTICATION_NOT_SUCCESSFUL


async def test_it_is_good_for_so_many_requests(app: Caller) -> None:
    app = app.at(V2_1)
    ticket = await login(app, LoginRequest(request_count=2))
    assert [await reason(app, create(), with_ticket(ticket)) for _ in range(3)] == [
        None,
        None,
        ResultReason.INVALID_TICKET,
    ]


@pytest.mark.parametrize(
    ("lease", "seconds"),
    [
        (None, 3600),
        (interval(0), 3600),
        (interval(10), 10),
        (Item(Tag.LEASE_TIME, ItemType.DATE_TIME, NOW + 20), 20),
    ],
)
async def test_it_ends_with_its_lease(app: Caller, server: Server, lease: Item | None, seconds: int) -> None:
    app = app.at(V2_1)
    ticket = await login(app, LoginRequest(lease_time=lease))
    server.now += seconds - 1
    assert await reason(app, create(), with_ticket(ticket)) is None
    server.now += 1
    assert await reason(app, create(), with_ticket(ticket)) == ResultReason.INVALID_TICKET


LIMITS = UsageLimits(usage_limits_total=1, usage_limits_count=1, usage_limits_unit=UsageLimitsUnit.OBJECT)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (LoginRequest(lease_time=interval(3601)), ResultReason.INVALID_FIELD),
        (LoginRequest(lease_time=Item(Tag.LEASE_TIME, ItemType.DATE_TIME, NOW)), ResultReason.INVALID_FIELD),
        (LoginRequest(lease_time=Item(Tag.LEASE_TIME, ItemType.TEXT_STRING, "1h")), ResultReason.INVALID_FIELD),
        (LoginRequest(request_count=0), ResultReason.INVALID_FIELD),
        (LoginRequest(usage_limits=LIMITS), ResultReason.FEATURE_NOT_SUPPORTED),
    ],
)
async def test_what_no_ticket_is_given_for(app: Caller, request_: LoginRequest, expected: ResultReason) -> None:
    assert await app.at(V2_1).refused(request_) == expected


async def test_a_client_has_only_so_many(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    for _ in range(3):
        await login(app)
    assert await app.refused(LoginRequest()) == ResultReason.SERVER_LIMIT_EXCEEDED
    assert await login(server.caller("bank", version=V2_1))
    server.now += 3600
    assert await login(app)


async def test_it_is_nobody_elses(app: Caller, server: Server) -> None:
    ticket = await login(app.at(V2_1))
    for other in (server.caller(name="reader", version=V2_1), server.caller("bank", version=V2_1)):
        assert await reason(other, DiscoverVersionsRequest(), with_ticket(ticket)) == ResultReason.INVALID_TICKET


async def test_what_is_no_ticket_is_refused(app: Caller) -> None:
    app = app.at(V2_1)
    ticket = await login(app)
    other_type = Ticket(ticket_type=TicketType(0x80000001), ticket_value=ticket.ticket_value)
    forged = Ticket(ticket_type=TicketType.LOGIN, ticket_value=bytes(32))
    for wrong in (other_type, forged):
        assert await reason(app, create(), with_ticket(wrong)) == ResultReason.INVALID_TICKET
    twice = Authentication(credentials=with_ticket(ticket).credentials * 2)
    assert await reason(app, create(), twice) == ResultReason.INVALID_TICKET


async def test_a_ticket_buys_no_other(app: Caller) -> None:
    app = app.at(V2_1)
    ticket = await login(app)
    assert await reason(app, LoginRequest(), with_ticket(ticket)) == ResultReason.PERMISSION_DENIED


async def test_a_role_without_login_has_none(server: Server) -> None:
    reader = server.caller(name="reader", version=V2_1)
    assert await reader.refused(LoginRequest()) == ResultReason.PERMISSION_DENIED


ATTESTATION = AttestationCredential(
    nonce=Nonce(nonce_id=b"1", nonce_value=b"2"), attestation_type=AttestationType.TPM_QUOTE, attestation_assertion=b"x"
)
ONE_TIME = OneTimePasswordCredential(username="app", one_time_password="123456")
HASHED = HashedPasswordCredential(username="app", timestamp=NOW * 1_000_000, hashed_password=bytes(64))
DEVICE = DeviceCredential(device_serial_number="1")


@pytest.mark.parametrize(
    ("kind", "value", "needed", "unneeded"),
    [
        (
            CredentialType.ATTESTATION,
            ATTESTATION,
            ResultReason.FEATURE_NOT_SUPPORTED,
            ResultReason.FEATURE_NOT_SUPPORTED,
        ),
        (CredentialType.ONE_TIME_PASSWORD, ONE_TIME, ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, None),
        (CredentialType.HASHED_PASSWORD, HASHED, ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, None),
        (CredentialType.DEVICE, DEVICE, ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, None),
    ],
)
async def test_other_credentials_open_nothing(
    secured: Caller,
    server: Server,
    kind: CredentialType,
    value: Any,
    needed: ResultReason,
    unneeded: ResultReason | None,
) -> None:
    authentication = with_credential(kind, value)
    assert await reason(secured, create(), authentication) == needed
    assert await reason(server.caller("bank", version=V2_1), create(), authentication) == unneeded


@pytest.mark.parametrize("version", [V1_2, V1_4, V2_1], ids=str)
async def test_attestation_is_refused_in_every_version_that_has_it_and_says_why(
    server: Server, version: ProtocolVersion
) -> None:
    attested = with_credential(CredentialType.ATTESTATION, ATTESTATION)
    for capable in (None, True, False):
        answer = await server.caller("bank", version=version).batch(
            [create()], authentication=attested, attestation_capable_indicator=capable
        )
        [item] = answer.batch_items
        assert item.result_reason == ResultReason.FEATURE_NOT_SUPPORTED
        assert "Attestation credentials are not taken: what software" in (item.result_message or "")
    # Who can attest and does not is served: no operation requires it.
    able = await server.caller("bank", version=version).batch([create()], attestation_capable_indicator=True)
    assert able.batch_items[0].result_status == ResultStatus.SUCCESS


def test_every_kind_of_credential_is_taken_or_declined_with_a_reason() -> None:
    taken = {CredentialType.USERNAME_AND_PASSWORD, CredentialType.DEVICE, CredentialType.TICKET}
    assert set(DECLINED) == set(CREDENTIAL_VALUES) - taken


async def test_what_is_made_with_a_ticket_belongs_to_its_client(app: Caller, server: Server) -> None:
    app = app.at(V2_1)
    made = (await app.batch([create()], authentication=with_ticket(await login(app)))).batch_items[0]
    assert made.operation == Operation.CREATE
    uid = made.payload.unique_identifier  # type: ignore[attr-defined]
    key = server.store.get("acme", uid)
    assert key is not None
    assert key.owner == "app"
    assert await app.call(attributes(uid))
