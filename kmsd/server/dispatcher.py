"""From a frame to its answer: decode, identify, run the items in order, audit, encode.

Down once, up once. What is wrong with their bytes is a ProtocolError, what is refused is a KmsError; anything else
is our bug: a traceback in our log, General Failure and no text for the client.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog
import trio

from kmsd.domain.errors import KmsError, render
from kmsd.domain.records import AuditRecord, Origin
from kmsd.operations import HANDLERS, undoing
from kmsd.operations.asynchronous import Job, Owner
from kmsd.operations.batch import Batch
from kmsd.operations.context import Context
from kmsd.operations.services import Services
from kmsd.operations.tenant_rules import check_made
from kmsd.server import dry_run
from kmsd.server.admission import check_item, check_message
from kmsd.server.answers import encode, encode_plain, failure, without_result
from kmsd.server.connections import Refused
from kmsd.server.identity import Peer, Peers
from kmsd.server.later import is_later, pending
from kmsd.server.logs import REQUEST
from kmsd.server.outcomes import Mark, Outcomes
from kmsd.server.reasons import for_version
from kmsd.server.results import RESULTS
from kmsd.server.room import Room, room_of
from kmsd.server.session import Answer
from kmsd.storage.errors import ConflictError
from protocol.enums import (
    BatchErrorContinuationOption,
    Operation,
    ResultReason,
    ResultStatus,
)
from protocol.errors import ProtocolError, UnsupportedVersion
from protocol.message import (
    RequestBatchItem,
    RequestMessage,
    ResponseBatchItem,
    decode_request,
)
from protocol.versions import V1_4, V2_0, V2_1, ProtocolVersion

log = structlog.get_logger("kmsd.dispatcher")

Stop = BatchErrorContinuationOption.STOP
Undo = BatchErrorContinuationOption.UNDO
Success = ResultStatus.SUCCESS
Failed = ResultStatus.OPERATION_FAILED

_ATTEMPTS = 32
"""How often an item is run again when another request changed its object in between. Those who run again wait for
each other, so that only requests which have just come are faster."""
_QUEUES = 64


@dataclass(slots=True)
class _Attempt:
    """One run of one item: its answer, and the objects that it was about."""

    operation: Operation
    answer: ResponseBatchItem
    touched: Collection[str]
    overtaken: bool = False
    """Another request changed an object in between: nothing was stored."""


CONNECT = "CONNECT"
"""What the audit calls a connection that was refused."""
MESSAGE = "MESSAGE"
"""What it calls bytes whose operation is not known."""
_NAMES = {operation: operation.name for operation in HANDLERS}
"""What it calls operations."""


class Dispatcher:
    """Answers requests; one for the process, no state of any connection."""

    def __init__(self, services: Services, peers: Peers, maximum_items: int) -> None:
        self._services = services
        self._peers = peers
        self._maximum_items = maximum_items
        self._outcomes = Outcomes(services)
        self._queues = [trio.Lock() for _ in range(_QUEUES)]

    def follow(self, peers: Peers, maximum_items: int) -> None:
        """From the next request on, answer as this configuration says; those in work go on as they began."""
        self._peers = peers
        self._maximum_items = maximum_items

    async def connect(self, certificate: bytes, address: str) -> Peer:
        """Who the owner of a certificate is. Raises Refused, once that is audited."""
        try:
            return self._peers.identify(certificate, address)
        except Refused as refused:
            await self._note_stranger(address, refused)
            raise

    async def _note_stranger(self, address: str, refused: Refused) -> None:
        item = failure(None, None, ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, "")
        record = self._outcomes.record(Origin("", "", address), CONNECT, item, ())
        await self._outcomes.note([record._replace(detail=str(refused))])

    async def reject(self, peer: Peer, error: ProtocolError) -> bytes:
        """The answer to bytes that are no request: a header and one item without operation (KMIP 1.4 §11.1).

        Clients of any version may have to read it, so it has no Server Correlation Value; its audit record does.
        """
        version = error.version if isinstance(error, UnsupportedVersion) else V1_4
        if not isinstance(error, UnsupportedVersion):
            reason = error.reason
        else:
            # Answered in the nearest version that we speak, with the reason of that version.
            version = V1_4 if version.major < V2_0.major else V2_1
            reason = ResultReason.UNSUPPORTED_PROTOCOL_VERSION
        item = failure(None, None, for_version(reason, None, version), str(error))
        await self._note(peer.origin(peer.next_request()), MESSAGE, item)
        return encode_plain(version, None, [item], int(self._services.clock()), None)

    async def respond(self, peer: Peer, frame: bytes) -> Answer:
        """Run one request. Raises Refused, once that is audited, for who is no client any more; else nothing but
        cancellation and what the log must see."""
        # One configuration for all of it, whatever is reloaded meanwhile.
        services, peers, maximum_items = self._services, self._peers, self._maximum_items
        tenants, clock = services.tenants, services.clock
        if peer.generation != peers.generation:
            try:
                peers.recognise(peer)
            except Refused as refused:
                # It had begun to send when the configuration that knew it was replaced.
                await self._note_stranger(peer.address, refused)
                raise
        try:
            message = decode_request(frame)
            if not message.batch_items:
                raise ProtocolError("a request has at least one Batch Item", path=("RequestMessage",))
        except ProtocolError as error:
            # A version we do not speak is no reason to hang up: the client tries another on this connection.
            return Answer(await self.reject(peer, error), close=not isinstance(error, UnsupportedVersion))
        header = message.header
        version = header.protocol_version
        request = peer.next_request()
        # What the log says until the next request of this connection names this one.
        REQUEST.set(request)
        try:
            check_message(message, maximum_items)
            later = is_later(message)
            room = room_of(message, later, request)
            now = int(clock())
            who = peer.plain if header.authentication is None else None
            identity, grants = who or await peers.authenticate(peer, header.authentication, now)
        except KmsError as error:
            items = [
                self._refusal(item.operation, item.unique_batch_item_id, error, version)
                for item in message.batch_items[:1]
            ]
            for item in items:
                name = item.operation.name if item.operation is not None else MESSAGE
                origin = peer.origin(request, header.client_correlation_value)
                await self._note(origin, name, item, error.message)
            return Answer(encode(version, header, items, int(clock()), request), close=False)
        tenant = identity.tenant
        origin = Origin(tenant, identity.client, peer.address, request, header.client_correlation_value)
        batch = Batch(services, tenants[tenant], identity, grants, version, now, origin)
        if later:
            items = await self._put_off(batch, message)
            return Answer(encode(version, header, items, int(clock()), request), close=False)
        try:
            if len(message.batch_items) == 1:
                items = [await self._run_alone(batch, message.batch_items[0], room)]
            else:
                items = await self._run_several(batch, message, room)
        except BaseException:
            # Cut off when the daemon stops: what providers made for it is not left behind.
            await self._outcomes.take_back(batch)
            raise
        return Answer(encode(version, header, items, int(clock()), request), close=False)

    async def _note(self, origin: Origin, operation: str, answer: ResponseBatchItem, detail: str | None = None) -> None:
        """Audit what was refused before it was looked into."""
        record = self._outcomes.record(origin, operation, answer, ())
        await self._outcomes.note([record._replace(detail=detail)])

    # --- the batch -------------------------------------------------------------------------------------------

    async def _run_several(self, batch: Batch, message: RequestMessage, room: Room | None) -> list[ResponseBatchItem]:
        option = message.header.batch_error_continuation_option or Stop
        if option == Undo:
            return await self._run_undoable(batch, message, room)
        answers = []
        for item in message.batch_items:
            answer = await self._run_alone(batch, item, room)
            if room is not None:
                room.spend(answer)
            answers.append(answer)
            if answer.result_status == Failed and option == Stop:
                break
        return answers

    async def _put_off(self, batch: Batch, message: RequestMessage) -> list[ResponseBatchItem]:
        """All items are pending, and done in order later on."""
        items = message.batch_items
        owner = Owner(batch.identity.tenant, batch.identity.client)
        work = partial(self._work_off, batch, message)
        submitted = int(self._services.clock() * 1_000_000)
        try:
            jobs = self._services.requests.submit(owner, [item.operation for item in items], submitted, work)
        except KmsError as error:
            return await self._refuse_all(batch, message, error)
        answers = [pending(item, job.value) for item, job in zip(items, jobs, strict=True)]
        await self._note_all(batch, answers)
        return answers

    async def _refuse_all(self, batch: Batch, message: RequestMessage, error: KmsError) -> list[ResponseBatchItem]:
        """No item was begun, and each is answered with the reason."""
        answers = [
            self._refusal(item.operation, item.unique_batch_item_id, error, batch.version)
            for item in message.batch_items
        ]
        await self._note_all(batch, answers)
        return answers

    async def _note_all(self, batch: Batch, answers: Sequence[ResponseBatchItem]) -> None:
        attempts = [_Attempt(answer.operation, answer, ()) for answer in answers if answer.operation is not None]
        await self._outcomes.note([self._record(batch, attempt) for attempt in attempts])

    async def _work_off(self, batch: Batch, message: RequestMessage, jobs: Sequence[Job]) -> None:
        stop = (message.header.batch_error_continuation_option or Stop) == Stop
        stopped = False
        for item, job in zip(message.batch_items, jobs, strict=True):
            if not job.begin():
                # Cancelled: what was to build on it is not done either.
                stopped = stop
            elif stopped:
                refusal = KmsError(ResultReason.GENERAL_FAILURE, "not done: an item before it in the batch failed")
                job.finish(self._refusal(item.operation, None, refusal, batch.version))
            else:
                batch.now = int(self._services.clock())
                job.finish(await self._answered(batch, item))
                stopped = stop and job.failed

    async def _answered(self, batch: Batch, item: RequestBatchItem) -> ResponseBatchItem:
        try:
            return await self._run_alone(batch, item, None)
        except Exception as error:
            # Nobody else hears of it: the client gets an answer, the daemon goes on.
            log.error("request failed", operation=item.operation.name, traceback=render(error))
            await self._outcomes.take_back(batch)
            refusal = KmsError(ResultReason.INTERNAL_SERVER_ERROR, "")
            return self._refusal(item.operation, None, refusal, batch.version)

    async def _run_alone(self, batch: Batch, item: RequestBatchItem, room: Room | None) -> ResponseBatchItem:
        """One item, committed before its answer is made; run again where another request was faster."""
        attempt = await self._attempt(batch, item, room)
        if not attempt.overtaken:
            return attempt.answer
        queue = self._queues[hash(next(iter(attempt.touched), "")) % _QUEUES]
        for _ in range(_ATTEMPTS):
            async with queue:
                attempt = await self._attempt(batch, item, room)
            if not attempt.overtaken:
                return attempt.answer
        busy = KmsError(ResultReason.GENERAL_FAILURE, "the object is being changed by others, try again")
        return await self._too_late(batch, item, busy, attempt)

    async def _attempt(self, batch: Batch, item: RequestBatchItem, room: Room | None) -> _Attempt:
        placeholder, results, identifiers = batch.placeholder, len(batch.data), batch.identifiers
        attempt = await self._item(batch, item, None, room)
        try:
            if room is not None:
                room.check(attempt.answer)
            await self._outcomes.commit(batch, [self._record(batch, attempt)])
        except ConflictError:
            await self._outcomes.take_back(batch)
            # The next attempt must find the batch as this one did.
            batch.placeholder, batch.identifiers = placeholder, identifiers
            del batch.data[results:]
            attempt.overtaken = True
        except KmsError as error:
            del batch.data[results:]
            batch.identifiers = identifiers
            attempt.answer = await self._too_late(batch, item, error, attempt)
        return attempt

    async def _too_late(
        self, batch: Batch, item: RequestBatchItem, error: KmsError, attempt: _Attempt
    ) -> ResponseBatchItem:
        """The commit, or the answer's size, refused what the handler decided: nothing is kept, as the audit says."""
        await self._outcomes.take_back(batch)
        batch.placeholder = None
        attempt.answer = self._refusal(item.operation, item.unique_batch_item_id, error, batch.version)
        await self._outcomes.note([self._record(batch, attempt)])
        return attempt.answer

    async def _run_undoable(self, batch: Batch, message: RequestMessage, room: Room | None) -> list[ResponseBatchItem]:
        """All items in one transaction: if one fails, those before it have not happened (KMIP 1.4 §6.13)."""
        try:
            undoing.check(message.batch_items)
        except KmsError as error:
            return await self._refuse_all(batch, message, error)
        attempts: list[_Attempt] = []
        for item in message.batch_items:
            attempt = await self._item(batch, item, Mark.of(batch), room)
            attempts.append(attempt)
            try:
                if room is not None:
                    room.check(attempt.answer)
                    room.spend(attempt.answer)
            except KmsError as error:
                attempt.answer = self._refusal(item.operation, item.unique_batch_item_id, error, batch.version)
            if attempt.answer.result_status == Failed:
                break
        else:
            try:
                await self._outcomes.commit(batch, [self._record(batch, attempt) for attempt in attempts])
                return [attempt.answer for attempt in attempts]
            except (ConflictError, KmsError) as error:
                last = message.batch_items[-1]
                refusal = KmsError(ResultReason.GENERAL_FAILURE, "another request changed an object of the batch")
                attempts[-1].answer = self._refusal(
                    last.operation,
                    last.unique_batch_item_id,
                    error if isinstance(error, KmsError) else refusal,
                    batch.version,
                )
        await self._outcomes.take_back(batch)
        for attempt in attempts[:-1]:
            attempt.answer.result_status = ResultStatus.OPERATION_UNDONE
            attempt.answer.payload = without_result(attempt.answer)
        await self._outcomes.note([self._record(batch, attempt) for attempt in attempts])
        return [attempt.answer for attempt in attempts]

    def _record(self, batch: Batch, attempt: _Attempt) -> AuditRecord:
        operation = attempt.operation
        name = _NAMES.get(operation) or operation.name
        return self._outcomes.record(batch.origin, name, attempt.answer, attempt.touched)

    # --- one item --------------------------------------------------------------------------------------------

    async def _item(self, batch: Batch, item: RequestBatchItem, mark: Mark | None, room: Room | None) -> _Attempt:
        """Run one item. Where it fails, what it has changed is taken back: all that is not stored, or since a mark."""
        operation = item.operation
        context: Context | None = None
        try:
            check_item(batch, item)
            if room is not None:
                room.admit(item)
            tried = bool(item.message_extension) and dry_run.asked_for(item)
            context = Context(batch, operation)
            payload = await HANDLERS[operation](context, item.payload)
            if context.changes:
                check_made(context)
            if tried:
                raise dry_run.done()
            if context.changes:
                context.keep()
        except KmsError as error:
            answer = self._refusal(operation, item.unique_batch_item_id, error, batch.version)
        except ProtocolError as error:
            refusal = KmsError(error.reason, str(error))
            answer = self._refusal(operation, item.unique_batch_item_id, refusal, batch.version)
        except Exception as error:
            log.error("operation failed", operation=operation.name, tenant=batch.tenant.name, traceback=render(error))
            refusal = KmsError(ResultReason.INTERNAL_SERVER_ERROR, "")
            answer = self._refusal(operation, item.unique_batch_item_id, refusal, batch.version)
        else:
            if isinstance(payload, ResponseBatchItem):
                # Poll: the answer of another request.
                answer = replace(payload, unique_batch_item_id=item.unique_batch_item_id)
            else:
                answer = ResponseBatchItem(
                    operation=operation,
                    unique_batch_item_id=item.unique_batch_item_id,
                    result_status=Success,
                    payload=payload,
                )
            result = RESULTS.get(operation)
            if result is not None:
                batch.data.append((operation, getattr(payload, result.field)))
                if item.ephemeral:
                    setattr(payload, result.field, result.withheld)
        if answer.result_status == Failed:
            await self._outcomes.take_back(batch, mark)
        return _Attempt(operation, answer, context.touched if context is not None else ())

    def _refusal(
        self, operation: Operation | None, item_id: bytes | None, error: KmsError, version: ProtocolVersion
    ) -> ResponseBatchItem:
        reason = for_version(error.reason, operation, version, outage=error.outage)
        answer = failure(operation, item_id, reason, error.message)
        answer.payload = error.payload
        return answer
