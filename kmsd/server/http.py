"""KMIP over HTTPS: `POST /kmip`, the content type says which encoding. KMIP Profiles 1.3 §5.3, RFC 9110, RFC 9112.

h11 reads and writes HTTP/1.1 and knows whose turn it is; the connection, its client, its limits and deadlines are
those of the TTLV port. What is wrong with the HTTP gets a status and a sentence in plain text, and so does a body
that is refused before it is read; what is wrong with the KMIP in it gets an answer of KMIP, with status 200.
"""

from __future__ import annotations

import http
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Final, Generic, TypeVar

import h11
import structlog
import trio

from kmsd.domain.errors import render
from kmsd.server.connections import Connection, Refused
from kmsd.server.encodings import ENCODINGS, Encoding
from kmsd.server.session import LINGER, Dispatcher
from kmsd.server.tls import close_lingering
from protocol.errors import ProtocolError

log = structlog.get_logger("kmsd.http")

PATH: Final = b"/kmip"

_HEAD_SIZE: Final = 16 * 1024
"""Bytes of a request line with its header fields."""
_CAUSE_SIZE: Final = 200
"""Characters: h11 quotes the line that it does not like."""
_IN_THREAD: Final = 16 * 1024
"""Bytes of text from which reading and writing it leaves the event loop: that is 2 ms and more."""
_ABSOLUTE: Final = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_UTF_8: Final = re.compile(r'\s*(?:charset=(?:utf-8|"utf-8")\s*)?;?\s*')

_Peer = TypeVar("_Peer")


class _Refusal(Exception):
    """A request that is not given to the dispatcher."""

    def __init__(self, status: http.HTTPStatus, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


@dataclass(frozen=True, slots=True)
class _Request:
    """What the head of a request says, once it has been found right."""

    encoding: Encoding
    length: int


async def serve_http(
    stream: trio.abc.Stream,
    peer: _Peer,
    connection: Connection,
    *,
    dispatcher: Dispatcher[_Peer],
    threads: trio.CapacityLimiter,
) -> None:
    """As `session.serve_connection`, for HTTP: one request after the other, each answered before the next is read.

    `frame_size` bounds a body as it is sent and as the TTLV that it stands for. The deadlines are the same: a
    started request, its head included, must be complete within `message_timeout`. Long XML and JSON is read and
    written in `threads`: a mebibyte takes up to 2 s, and may take 100 MiB while it does.
    """
    exchange = _Exchange(stream, peer, connection, dispatcher, threads)
    try:
        if await exchange.run():
            connection.idle = True
            await close_lingering(stream, LINGER)
    except trio.BrokenResourceError as error:
        log.info("connection lost", address=connection.address, cause=str(error.__cause__ or error))
    finally:
        await stream.aclose()


class _Exchange(Generic[_Peer]):
    """The requests and answers of one connection."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        peer: _Peer,
        connection: Connection,
        dispatcher: Dispatcher[_Peer],
        threads: trio.CapacityLimiter,
    ) -> None:
        self._stream = stream
        self._peer = peer
        self._connection = connection
        self._dispatcher = dispatcher
        self._threads = threads
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_SIZE)
        self._begun = False  # the deadline of the request that has begun is set
        self._head: h11.Request | None = None

    async def run(self) -> bool:
        """Returns whether the client may still be sending while it should read our last answer."""
        while True:
            try:
                event = await self._next_event()
                if not isinstance(event, h11.Request):
                    return False  # the client has closed
                self._head = event
                request = self._check(event)
                if self._http.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))
                body = await self._body(request.length)
                if body is None:
                    return False
                if not await self._answer(request.encoding, body):
                    return False
            except h11.RemoteProtocolError as error:
                cause = str(error)[:_CAUSE_SIZE]
                log.info("no HTTP", address=self._connection.address, cause=cause)
                if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await self._refuse(_Refusal(http.HTTPStatus(error.error_status_hint), cause))
                return True
            except _Refusal as refusal:
                log.info("request refused", address=self._connection.address, cause=refusal.sentence)
                await self._refuse(refusal)
            if self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                # A body that is not read would be taken for the next request.
                return self._http.their_state is not h11.MUST_CLOSE
            if self._connection.draining:
                return False
            self._http.start_next_cycle()
            self._begun = False
            self._head = None
            # Requests sent ahead of their answers must not keep the others waiting.
            await trio.lowlevel.checkpoint()

    # --- the request -----------------------------------------------------------------------------------------

    async def _next_event(self) -> h11.Event | None:
        """None when the connection is over: closed in between two requests or within one, or ended by us."""
        while True:
            event = self._http.next_event()
            if event is h11.PAUSED:
                # An upgrade was asked for; nothing after it is HTTP until it is answered, and it is refused.
                return None
            if event is not h11.NEED_DATA:
                return None if isinstance(event, h11.ConnectionClosed) else event  # type: ignore[return-value]
            if self._head is None and not self._http.trailing_data[0]:
                self._connection.expect("request", self._connection.limits.idle_timeout, idle=True)
            elif not self._begun:
                self._begun = True
                self._connection.expect("end of the request", self._connection.limits.message_timeout, idle=False)
            data = await self._stream.receive_some()
            if self._connection.ended:
                # Ended in the moment that the data arrived: begin nothing that would be cancelled half-way.
                return None
            self._http.receive_data(bytes(data))
            if self._head is None and b"\0" in self._http.trailing_data[0][:8]:
                # h11 would wait for the end of a line; who speaks TTLV to this port shall not have to.
                raise h11.RemoteProtocolError("this is not HTTP")

    def _check(self, head: h11.Request) -> _Request:
        """Raises _Refusal for what is not `POST /kmip` with a body that we read."""
        target = _ABSOLUTE.sub(b"", head.target).partition(b"?")[0]
        if target != PATH:
            raise _Refusal(http.HTTPStatus.NOT_FOUND, "KMIP is served at /kmip.")
        if head.method != b"POST":
            raise _Refusal(http.HTTPStatus.METHOD_NOT_ALLOWED, "KMIP takes POST only.", ("Allow", "POST"))
        fields = dict(iter(head.headers))
        if b"transfer-encoding" in fields or b"content-length" not in fields:
            raise _Refusal(http.HTTPStatus.LENGTH_REQUIRED, "A request needs a Content-Length.")
        length = int(fields[b"content-length"])
        if length > self._connection.limits.frame_size:
            raise _Refusal(
                http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"At most {self._connection.limits.frame_size} bytes are allowed.",
            )
        media_type, _, parameters = fields.get(b"content-type", b"").decode("latin-1").lower().partition(";")
        encoding = ENCODINGS.get(media_type.strip())
        coded = fields.get(b"content-encoding", b"identity").lower() != b"identity"
        if encoding is None or coded or not _UTF_8.fullmatch(parameters):
            raise _Refusal(
                http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The content type is one of {', '.join(ENCODINGS)}, in UTF-8 and not compressed.",
                ("Accept", ", ".join(ENCODINGS)),
            )
        return _Request(encoding, length)

    async def _body(self, length: int) -> bytes | None:
        """The whole body, of the length that h11 holds the client to; None if the connection ends before."""
        parts = []
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            else:
                log.info("connection closed within a message", address=self._connection.address)
                return None

    async def _run(self, encoding: Encoding, size: int, call: Callable[[], bytes]) -> bytes:
        """What takes long because a text is long is done in a thread, a few at a time."""
        if encoding.text and size > _IN_THREAD:
            return await trio.to_thread.run_sync(call, limiter=self._threads)
        return call()

    # --- the answer ------------------------------------------------------------------------------------------

    async def _answer(self, encoding: Encoding, body: bytes) -> bool:
        """Returns whether the connection goes on, as far as we are concerned."""
        self._connection.busy()
        try:
            message = await self._respond(encoding, body)
        except Refused as error:
            log.warning("connection refused", address=self._connection.address, cause=str(error))
            return False
        except Exception as error:
            log.error("request failed", address=self._connection.address, traceback=render(error))
            return False
        try:
            answer = await self._run(encoding, len(message), partial(encoding.body, message))
        except ValueError as error:
            # Only XML: a name that another client chose may have characters that it cannot hold.
            sentence = f"The answer cannot be written as {encoding.content_type}: {error}."
            raise _Refusal(http.HTTPStatus.NOT_ACCEPTABLE, sentence) from error
        await self._send_response(http.HTTPStatus.OK, encoding.content_type, answer)
        return True

    async def _respond(self, encoding: Encoding, body: bytes) -> bytes:
        """The answer as TTLV. HTTP has told where the request ends: whatever it was, the next one can be read."""
        try:
            frame = await self._run(
                encoding, len(body), partial(encoding.frame, body, self._connection.limits.frame_size)
            )
        except ProtocolError as error:
            log.info("no message", address=self._connection.address, cause=str(error))
            return await self._dispatcher.reject(self._peer, error)
        return (await self._dispatcher.respond(self._peer, frame)).data

    async def _refuse(self, refusal: _Refusal) -> None:
        """Answer; without the body that was announced the connection cannot go on, and the answer says so."""
        if self._http.their_state is h11.SEND_BODY and self._head is not None and not _announces_body(self._head):
            self._http.next_event()  # the end of a request without a body
        await self._send_response(
            refusal.status, "text/plain; charset=utf-8", f"{refusal.sentence}\n".encode(), refusal.headers
        )

    async def _send_response(
        self, status: http.HTTPStatus, content_type: str, body: bytes, more: Sequence[tuple[str, str]] = ()
    ) -> None:
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-cache"),
            *more,
        ]
        if self._connection.draining or self._http.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        events: list[h11.Event] = [h11.Response(status_code=status, headers=headers, reason=status.phrase)]
        if self._head is None or self._head.method != b"HEAD":
            events.append(h11.Data(data=body))
        await self._send(*events, h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        self._connection.expect("reader of our answer", self._connection.limits.message_timeout, idle=False)
        await self._stream.send_all(data)


def _announces_body(head: h11.Request) -> bool:
    fields = dict(head.headers)
    return b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0"
