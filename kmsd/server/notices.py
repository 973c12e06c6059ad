"""Notify and Put: what the server sends to clients that listen (KMIP 1.4 §5, 2.1 §6.2).

A client is told of the objects that its roles let it see, and is sent the new ones that it may Get. Messages wait in
memory, are sent in order over one connection per client, and are tried a few times: this is a hint to look, not a
queue that survives. What was committed is told; what was undone is not.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import trio

from kmsd.config.receivers import Receiver
from kmsd.domain.errors import KmsError
from kmsd.domain.identity import Identity
from kmsd.domain.notices import Changes, changes
from kmsd.domain.objects import ManagedObject
from kmsd.domain.policy import Grants
from kmsd.domain.records import Origin
from kmsd.operations import get
from kmsd.operations.batch import Batch
from kmsd.operations.context import Context
from kmsd.operations.services import Services
from kmsd.server.logs import REQUEST
from kmsd.server.outcomes import Outcomes
from kmsd.server.tls_context import cause
from kmsd.storage.errors import StoreError
from kmsd.storage.work import UnitOfWork
from protocol.attribute_forms import NO_VALUE
from protocol.attributes import Attribute
from protocol.enums import LinkType, Operation, PutFunction, ResultStatus
from protocol.errors import ProtocolError
from protocol.framing import FrameBuffer
from protocol.message import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    decode_response,
    encode_request,
)
from protocol.objects import ManagedObject as WireObject
from protocol.operations.get import GetRequest
from protocol.operations.notify import NotifyRequest
from protocol.operations.put import PutRequest
from protocol.versions import V1_4, V2_0

log = structlog.get_logger("kmsd.notices")

WAITING = 1000
"""Messages for one client; beyond, new ones are dropped."""
ATTEMPTS = 5
TIMEOUT = 30.0
"""Seconds for a connection, or an answer."""
_FRAME = 1 << 16
"""Bytes of an answer, which has no payload."""

Event = tuple[ManagedObject | None, ManagedObject]
"""An object before (None: there was none) and after a commit."""


@dataclass(slots=True)
class Listening:
    """One client that takes messages."""

    identity: Identity
    grants: Grants
    settings: Receiver
    events: trio.MemorySendChannel[Event] = field(init=False)
    source: trio.MemoryReceiveChannel[Event] = field(init=False)
    stream: trio.SSLStream[trio.SocketStream] | None = None
    serving: trio.CancelScope = field(default_factory=trio.CancelScope)

    def __post_init__(self) -> None:
        self.events, self.source = trio.open_memory_channel[Event](WAITING)

    def is_like(self, other: Listening) -> bool:
        """Whether it is the same client with the same listener."""
        mine, others = self.identity, other.identity
        return (mine.tenant, mine.client, self.settings) == (others.tenant, others.client, other.settings)

    @property
    def address(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"


class Notices:
    """All that listen, by tenant."""

    def __init__(self, listening: Sequence[Listening], certificate: Path, private_key: Path) -> None:
        self._by_tenant: dict[str, list[Listening]] = {}
        self._start: Callable[[Listening], None] = lambda listening: None
        self.follow(listening, certificate, private_key)

    def follow(self, listening: Sequence[Listening], certificate: Path, private_key: Path) -> None:
        """Tell these from now on, and nobody else; who goes on listening misses nothing.

        `certificate` and `private_key` (PEM) are shown to listeners that have none of their own.
        """
        self._certificate, self._private_key = certificate, private_key
        before = [one for everybody in self._by_tenant.values() for one in everybody]
        self._by_tenant = {}
        for new in listening:
            one = next((old for old in before if old.is_like(new)), None)
            if one is None:
                one = new
                self._start(one)
            else:
                before.remove(one)
                one.identity, one.grants = new.identity, new.grants
            self._by_tenant.setdefault(one.identity.tenant, []).append(one)
        for gone in before:
            gone.serving.cancel()

    def watches(self, tenant: str) -> bool:
        """Whether anybody wants to know of this tenant's objects."""
        return tenant in self._by_tenant

    def happened(self, tenant: str, events: Sequence[Event]) -> None:
        """What a commit has changed."""
        for listening in self._by_tenant.get(tenant, ()):
            for event in events:
                try:
                    listening.events.send_nowait(event)
                except trio.WouldBlock:
                    log.warning("not told: too many messages wait", client=listening.identity.client, tenant=tenant)

    async def run(self, services: Services) -> None:
        """Send what happens, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._start = lambda listening: nursery.start_soon(self._serve, services, listening)
            for everybody in self._by_tenant.values():
                for listening in everybody:
                    self._start(listening)
            # Those that a reload brings come later.
            await trio.sleep_forever()

    async def _serve(self, services: Services, listening: Listening) -> None:
        with listening.serving:
            await self._tell(services, listening)

    async def _tell(self, services: Services, listening: Listening) -> None:
        try:
            async for before, after in listening.source:
                request = os.urandom(8).hex()
                REQUEST.set(request)
                try:
                    payload = await _message(services, listening, before, after, request)
                except (KmsError, StoreError) as error:
                    log.error("not told", client=listening.identity.client, uid=after.uid, cause=str(error))
                    continue
                if payload is not None:
                    await self._deliver(listening, _encoded(listening, payload, int(services.clock()), request))
        finally:
            await _hang_up(listening)

    # --- the connection --------------------------------------------------------------------------------------

    async def _deliver(self, listening: Listening, frame: bytes) -> None:
        for attempt in range(ATTEMPTS):
            try:
                with trio.fail_after(TIMEOUT):
                    answer = await self._exchange(listening, frame)
            except (OSError, trio.BrokenResourceError, trio.TooSlowError, ProtocolError) as error:
                log.warning("not told yet", address=listening.address, cause=cause(error))
                await _hang_up(listening)
                await trio.sleep(2.0**attempt)
                continue
            if answer.result_status != ResultStatus.SUCCESS:
                log.warning("the client refuses", address=listening.address, reason=answer.result_message)
            return
        log.error("not told: the client does not answer", address=listening.address)

    async def _exchange(self, listening: Listening, frame: bytes) -> ResponseBatchItem:
        if listening.stream is None:
            listening.stream = await self._connect(listening.settings)
        await listening.stream.send_all(frame)
        frames = FrameBuffer(_FRAME)
        while (found := frames.next_frame()) is None:
            received = await listening.stream.receive_some(_FRAME)
            if not received:
                raise ProtocolError("the connection ended before the answer")
            frames.receive_data(bytes(received))
        [item] = decode_response(found).batch_items
        return item

    async def _connect(self, settings: Receiver) -> trio.SSLStream[trio.SocketStream]:
        # Made anew each time: a certificate that was replaced meanwhile is the one that is shown.
        context = await trio.to_thread.run_sync(self._context, settings)
        stream = await trio.open_ssl_over_tcp_stream(
            settings.host, settings.port, ssl_context=context, https_compatible=True
        )
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    def _context(self, settings: Receiver) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for path in settings.ca:
            context.load_verify_locations(path)
        key = settings.private_key.path if settings.private_key is not None else self._private_key
        context.load_cert_chain(settings.certificate or self._certificate, key, lambda: b"")
        return context


async def _hang_up(listening: Listening) -> None:
    stream, listening.stream = listening.stream, None
    if stream is not None:
        await trio.aclose_forcefully(stream)


# --- the messages --------------------------------------------------------------------------------------------


async def _message(
    services: Services, listening: Listening, before: ManagedObject | None, after: ManagedObject, request: str
) -> NotifyRequest | PutRequest | None:
    """What to tell this client, if anything; `request` is the Server Correlation Value of the message."""
    operations = listening.settings.operations
    if before is None and Operation.PUT in operations and listening.grants.covers(Operation.GET, after):
        wire = await _exported(services, listening, after, request)
        if wire is not None:
            return _put(listening, after, wire)
    if Operation.NOTIFY not in operations or not listening.grants.covers(Operation.GET_ATTRIBUTES, after):
        return None
    found = changes(before, after, listening.settings.version)
    return _notify(listening, after, found) if found.worth_telling else None


async def _exported(services: Services, listening: Listening, key: ManagedObject, request: str) -> WireObject | None:
    """The object as a Get of this client would give it now; None where it would be refused. Audited, before it
    leaves."""
    identity = listening.identity
    batch = Batch(
        services=services,
        tenant=services.tenants[identity.tenant],
        identity=identity,
        grants=listening.grants,
        version=listening.settings.version,
        now=int(services.clock()),
    )
    try:
        given = await get.handle(Context(batch, Operation.GET), GetRequest(unique_identifier=key.uid))
    except KmsError:
        # It never leaves the HSM, or is Sensitive, or destroyed meanwhile: the client may ask and read why.
        return None
    done = ResponseBatchItem(operation=Operation.PUT, result_status=ResultStatus.SUCCESS)
    origin = Origin(identity.tenant, identity.client, listening.address, request)
    record = Outcomes(services).record(origin, Operation.PUT.name, done, (key.uid,))
    await services.store.commit(UnitOfWork([record]))
    return given.managed_object


def _put(listening: Listening, key: ManagedObject, wire: WireObject) -> PutRequest:
    links: Mapping[LinkType, str] = {
        link.link_type: link.linked_object_identifier for link in key.attributes.values("Link")
    }
    replaced = links.get(LinkType.REPLACED_OBJECT_LINK)
    return PutRequest(
        unique_identifier=key.uid,
        put_function=PutFunction.NEW if replaced is None else PutFunction.REPLACE,
        replaced_unique_identifier=replaced,
        managed_object=wire,
        attributes=changes(None, key, listening.settings.version).changed,
    )


def _notify(listening: Listening, key: ManagedObject, found: Changes) -> NotifyRequest:
    if listening.settings.version >= V2_0:
        return NotifyRequest(unique_identifier=key.uid, attributes=found.changed, attribute_references=found.deleted)
    # 1.4 §5.1: of a deleted attribute, the structure "SHALL NOT contain the Attribute Value field".
    deleted = tuple(Attribute(reference.name, NO_VALUE) for reference in found.deleted)
    return NotifyRequest(unique_identifier=key.uid, attributes=found.changed + deleted)


def _encoded(listening: Listening, payload: NotifyRequest | PutRequest, now: int, request: str) -> bytes:
    operation = Operation.PUT if isinstance(payload, PutRequest) else Operation.NOTIFY
    version = listening.settings.version
    header = RequestHeader(
        protocol_version=version,
        server_correlation_value=request if version >= V1_4 else None,
        time_stamp=now,
        batch_count=1,
    )
    item = RequestBatchItem(operation=operation, payload=payload)
    return encode_request(RequestMessage(header=header, batch_items=(item,)))
