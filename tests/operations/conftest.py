"""A tenant in memory-like surroundings: a real store in a temporary folder, real providers, the real dispatcher."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.config.reading import read
from kmsd.config.tenants import ClientDirectory, KnownClient
from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.crypto.sealing import Sealer, new_data_key
from kmsd.crypto.software import SoftwareProvider
from kmsd.domain.identity import Identity
from kmsd.domain.objects import ProtectionLevel
from kmsd.domain.policy import TenantPolicy
from kmsd.operations.asynchronous import Requests
from kmsd.operations.open_streams import Streams
from kmsd.operations.quota import ObjectCounts
from kmsd.operations.services import ServerInformation, Services, Tenant
from kmsd.operations.tickets import Tickets
from kmsd.server.dispatcher import Dispatcher
from kmsd.server.identity import Peer, Peers
from kmsd.storage.store import Store
from protocol.enums import BatchErrorContinuationOption, Operation, ResultStatus
from protocol.message import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    ResponseMessage,
    decode_response,
    encode_request,
)
from protocol.operations import OPERATIONS
from protocol.versions import V1_4, ProtocolVersion
from tests.crypto.hsm_fixtures import hsm_provider

NOW = 1_800_000_000
EVERYTHING = {"admin": [{"operations": "*"}], "reader": [{"operations": ["Locate", "GetAttributes"]}]}


def tenant_settings(**changes: Any) -> TenantSettings:
    values: dict[str, Any] = {
        "roles": {"admin": ({"operations": "*"},), "reader": ({"operations": ("Locate", "GetAttributes")},)},
        "clients": {
            "app": {"certificate": {"common_name": "app"}, "roles": ("admin",)},
            "reader": {"certificate": {"common_name": "reader"}, "roles": ("reader",)},
        },
    }
    return read(TenantSettings, {**values, **changes})


class Refused(AssertionError):
    """The server refused one item; the test expected it not to."""

    def __init__(self, item: ResponseBatchItem) -> None:
        super().__init__(f"{item.operation!r}: {item.result_reason!r} {item.result_message!r}")
        self.reason = item.result_reason


class Caller:
    """One client of one tenant, in one version."""

    def __init__(self, server: Server, tenant: str, name: str, version: ProtocolVersion = V1_4) -> None:
        self.server, self.tenant, self.name, self.version = server, tenant, name, version

    def at(self, version: ProtocolVersion) -> Caller:
        return Caller(self.server, self.tenant, self.name, version)

    async def call(self, payload: Any) -> Any:
        """The response payload of one request; raises Refused."""
        [item] = (await self.batch([payload])).batch_items
        if item.result_status != ResultStatus.SUCCESS:
            raise Refused(item)
        return item.payload

    async def refused(self, payload: Any) -> Any:
        """The Result Reason of a request that must be refused."""
        with pytest.raises(Refused) as caught:
            await self.call(payload)
        return caught.value.reason

    async def batch(
        self, payloads: Iterable[Any], option: BatchErrorContinuationOption | None = None, **header: Any
    ) -> ResponseMessage:
        items = tuple(
            RequestBatchItem(
                operation=OPERATION_OF[type(payload)], unique_batch_item_id=bytes([number]), payload=payload
            )
            for number, payload in enumerate(payloads)
        )
        message = RequestMessage(
            header=RequestHeader(
                protocol_version=self.version,
                batch_error_continuation_option=option,
                batch_count=len(items),
                **header,
            ),
            batch_items=items,
        )
        return decode_response(await self.send(encode_request(message)))

    async def send(self, frame: bytes) -> bytes:
        answer = await self.server.dispatcher.respond(self.server.peer(self.tenant, self.name), frame)
        return answer.data


OPERATION_OF: dict[type, Operation] = {spec.request: operation for operation, spec in OPERATIONS.items()}


class Server:
    """The dispatcher over two tenants, `acme` and `bank`; `now` is the clock, and tests move it."""

    def __init__(self, store: Store, tenants: dict[str, TenantSettings]) -> None:
        self.now = float(NOW)
        self.store = store
        self.settings = tenants
        provider = SoftwareProvider(Sealer({name: new_data_key() for name in tenants}))
        self.services = Services(
            store=store,
            tenants={
                name: Tenant(name, settings.policy, provider, {ProtectionLevel.SOFTWARE: provider})
                for name, settings in tenants.items()
            },
            clock=lambda: self.now,
            counts=ObjectCounts(store, lambda: self.now),
            streams=Streams(lambda: self.now),
            requests=Requests(keep=300, per_client=4, delay=60),
            tickets=Tickets(lifetime=3600, per_client=3),
            crypto_limiter=trio.CapacityLimiter(2),
            information=ServerInformation("kmsd", "test"),
        )
        policies = {name: settings.policy for name, settings in tenants.items()}
        self.peers = Peers(ClientDirectory({}), policies, self.services.tickets)
        self.dispatcher = Dispatcher(self.services, self.peers, maximum_items=64)

    def use(self, tenants: Mapping[str, Tenant]) -> None:
        """Go on with these tenants."""
        self.services = replace(self.services, tenants=tenants)
        policies = {name: tenant.policy for name, tenant in tenants.items()}
        self.peers = Peers(ClientDirectory({}), policies, self.services.tickets)
        self.dispatcher = Dispatcher(self.services, self.peers, maximum_items=64)

    def change(self, tenant: str, settings: TenantSettings) -> None:
        """Declare a tenant otherwise; its keys stay."""
        self.settings[tenant] = settings
        changed = replace(self.services.tenants[tenant], policy=settings.policy)
        self.use({**self.services.tenants, tenant: changed})

    def peer(self, tenant: str, name: str) -> Peer:
        client = self.settings[tenant].clients[name]
        return Peer(KnownClient(Identity(tenant, name, client.roles), client), "192.0.2.1:1")

    def caller(self, tenant: str = "acme", name: str = "app", version: ProtocolVersion = V1_4) -> Caller:
        return Caller(self, tenant, name, version)


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Server]:
    with Store.open(tmp_path / "kmsd.db") as store:
        await nursery.start(store.run)
        server = Server(store, {"acme": tenant_settings(), "bank": tenant_settings()})
        await nursery.start(server.services.requests.run)
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
def hsm_server(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same, with a token for HSM keys; skips where SoftHSM is not installed."""
    with hsm_provider("softhsm", tmp_path_factory) as provider:
        tenants = {
            name: replace(tenant, providers={**tenant.providers, ProtectionLevel.HSM: provider})
            for name, tenant in server.services.tenants.items()
        }
        server.services = replace(server.services, tenants=tenants)
        server.dispatcher = Dispatcher(server.services, server.peers, maximum_items=64)
        yield server


@pytest.fixture
def app(server: Server) -> Caller:
    return server.caller()


__all__ = ["Caller", "Refused", "Server", "TenantPolicy", "replace"]
