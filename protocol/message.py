"""Whole messages: headers, batch items, and the payload that each item's operation chooses (1.4 §6, §7; 2.1 §8, §9).

The version in a message's own header decides how all of it is read and written. A payload that cannot be read
does not fail its message: it becomes an UnreadablePayload, and the other items of the batch go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from protocol.compiler import (
    PADDING,
    STRUCTURE,
    Reader,
    Writer,
    decoder,
    encoder,
    malformed,
    missing,
    pack_head,
    surplus,
    unpack_head,
)
from protocol.enums import (
    AsynchronousIndicator,
    AttestationType,
    BatchErrorContinuationOption,
    Operation,
    ResultReason,
    ResultStatus,
)
from protocol.errors import ProtocolError, UnsupportedVersion
from protocol.names import Tag
from protocol.operations import OPERATIONS, Spec
from protocol.schema import ChosenBy, DateTime, Form, Formed, Open, Since, Tagged, Until, WireForm, structure
from protocol.structures import Credential, Nonce
from protocol.ttlv import Item
from protocol.versions import SUPPORTED, ProtocolVersion


# ---- payloads ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class UnreadablePayload:
    """A payload that does not decode, with the reason; `raw` is its value, written back unchanged."""

    error: ProtocolError = field(compare=False)
    raw: bytes

    def __repr__(self) -> str:
        return f"UnreadablePayload({str(self.error)!r}, {len(self.raw)} bytes)"


@dataclass(frozen=True, slots=True)
class _PayloadForm:
    """The payload of one operation, in one direction; `spec` is None for operations that the table lacks."""

    tag: int
    spec: Spec | None

    def __wire_form__(self, marker: WireForm, version: ProtocolVersion) -> Form:
        head = self.tag << 8 | STRUCTURE
        cls = self._class(version)
        read: Reader | None = None
        write: Writer | None = None

        # `Any` from here: which class a payload is, only its operation knows.
        def read_payload(buffer: bytes, start: int, stop: int, head: int) -> Any:
            nonlocal read
            if stop - start & 7:
                # What follows it could not be told from its padding.
                raise malformed(head, stop - start)
            try:
                if read is None:
                    read = _refuse if cls is None else decoder(cls, version)
                return read(buffer, start, stop)
            except ProtocolError as error:
                return UnreadablePayload(error, buffer[start:stop])

        def write_payload(payload: Any, out: list[bytes]) -> int:
            nonlocal write
            mark = len(out)
            out.append(b"")
            if type(payload) is cls:
                if write is None:
                    write = encoder(cls, version)
                size = write(payload, out)
            elif isinstance(payload, UnreadablePayload):
                out.append(payload.raw)
                size = len(payload.raw)
            else:
                raise TypeError(f"{type(payload).__name__} is not the payload of this operation")
            out[mark] = pack_head(head, size)
            return size + 8

        return Form((head,), False, read_payload, write_payload)

    def _class(self, version: ProtocolVersion) -> type | None:
        spec = self.spec
        if spec is None or version < spec.since or (spec.until is not None and version > spec.until):
            return None
        return spec.request if self.tag == Tag.REQUEST_PAYLOAD else spec.response


def _refuse(buffer: bytes, start: int, stop: int) -> Any:
    raise ProtocolError("no such operation in this version", reason=ResultReason.OPERATION_NOT_SUPPORTED)


def _payloads(tag: int) -> Mapping[Any, Formed]:
    specs: dict[Any, Spec | None] = {**OPERATIONS, None: None}
    return {operation: Formed(_PayloadForm(tag, spec), WireForm()) for operation, spec in specs.items()}


# ---- headers and items ------------------------------------------------------------------------------------------
@structure
class Authentication:
    """KMIP 1.4 §6.6, 2.1 §9.4. Several credentials since 1.2."""

    credentials: tuple[Credential, ...]


@structure
class MessageExtension:
    """KMIP 1.4 §6.16, 2.1 §9.13."""

    vendor_identification: str
    criticality_indicator: bool
    vendor_extension: Item


@structure
class RequestHeader:
    """KMIP 1.4 §7.2, 2.1 §8.2. Maximum response size in bytes."""

    protocol_version: ProtocolVersion
    maximum_response_size: int | None = None
    client_correlation_value: Annotated[str | None, Since(1, 4)] = None
    server_correlation_value: Annotated[str | None, Since(1, 4)] = None
    asynchronous_indicator: Annotated[bool, Until(1, 4)] | Annotated[AsynchronousIndicator, Since(2, 0)] | None = None
    attestation_capable_indicator: Annotated[bool | None, Since(1, 2)] = None
    attestation_types: Annotated[tuple[AttestationType, ...], Since(1, 2)] = ()
    authentication: Authentication | None = None
    batch_error_continuation_option: BatchErrorContinuationOption | None = None
    batch_order_option: bool | None = None
    time_stamp: DateTime | None = None
    batch_count: int


@structure(tag=Tag.BATCH_ITEM)
class RequestBatchItem:
    """KMIP 1.4 §7.2, 2.1 §8.3. The payload is the operation's request, or an UnreadablePayload."""

    operation: Annotated[Operation, Open()]
    ephemeral: Annotated[bool | None, Since(2, 0)] = None
    unique_batch_item_id: bytes | None = None
    payload: Annotated[object, ChosenBy("operation", _payloads(Tag.REQUEST_PAYLOAD)), Tagged(Tag.REQUEST_PAYLOAD)]
    message_extension: tuple[MessageExtension, ...] = ()


@structure
class ResponseHeader:
    """KMIP 1.4 §7.2, 2.1 §8.5."""

    protocol_version: ProtocolVersion
    time_stamp: DateTime
    nonce: Annotated[Nonce | None, Since(1, 2)] = None
    server_hashed_password: Annotated[bytes | None, Since(2, 0)] = None
    attestation_types: Annotated[tuple[AttestationType, ...], Since(1, 2)] = ()
    client_correlation_value: Annotated[str | None, Since(1, 4)] = None
    server_correlation_value: Annotated[str | None, Since(1, 4)] = None
    batch_count: int


@structure(tag=Tag.BATCH_ITEM)
class ResponseBatchItem:
    """KMIP 1.4 §7.2, 2.1 §8.6. The payload is the operation's response, None after a failure."""

    operation: Annotated[Operation | None, Open()] = None
    unique_batch_item_id: bytes | None = None
    result_status: ResultStatus
    result_reason: Annotated[ResultReason | None, Open()] = None
    result_message: str | None = None
    asynchronous_correlation_value: bytes | None = None
    payload: Annotated[
        object | None, ChosenBy("operation", _payloads(Tag.RESPONSE_PAYLOAD)), Tagged(Tag.RESPONSE_PAYLOAD)
    ] = None
    message_extension: tuple[MessageExtension, ...] = ()


@dataclass(slots=True)
class RequestMessage:
    """KMIP 1.4 §7.1, 2.1 §8.1."""

    header: RequestHeader
    batch_items: tuple[RequestBatchItem, ...]


@dataclass(slots=True)
class ResponseMessage:
    """KMIP 1.4 §7.1, 2.1 §8.4."""

    header: ResponseHeader
    batch_items: tuple[ResponseBatchItem, ...]


# ---- messages ---------------------------------------------------------------------------------------------------
_ITEM_HEAD: Final = Tag.BATCH_ITEM << 8 | STRUCTURE
_VERSION_HEAD: Final = Tag.PROTOCOL_VERSION << 8 | STRUCTURE


class _MessageCodec:
    """One direction. A client sends the same header again and again: the last one read is kept, as bytes and object."""

    def __init__(self, tag: int, header_tag: int, message: type, header: type, item: type) -> None:
        self.name = message.__name__
        self.head, self.header_head = tag << 8 | STRUCTURE, header_tag << 8 | STRUCTURE
        self.message, self.header, self.item = message, header, item
        self.last: tuple[bytes, Any, Reader] = (b"", None, decoder)
        self.writers: dict[ProtocolVersion, tuple[Writer, Writer]] = {}

    def decode(self, data: bytes) -> Any:
        end = len(data)
        buffer = data + PADDING
        try:
            head, size, header_head, header_size = unpack_head(buffer, 0)
            if head != self.head or size + 8 != end or end & 7:
                raise ProtocolError(f"these {end} bytes are not one {self.name}")
            start = 16 + header_size
            if header_head != self.header_head:
                raise missing(header_head).within(self.header.__name__)
            if start > end:
                raise malformed(header_head, header_size).within(self.header.__name__)
            last, header, read = self.last
            if buffer[16:start] != last:
                header, read = self._read_header(buffer, start)
            items: list[Any] = []
            while start < end:
                head, size, _, _ = unpack_head(buffer, start)
                stop = start + 8 + size
                try:
                    if head != _ITEM_HEAD:
                        raise surplus(head)
                    if stop > end:
                        raise malformed(head, size)
                    items.append(read(buffer, start + 8, stop))
                except ProtocolError as error:
                    raise error.within(f"BatchItem[{len(items)}]") from None
                start = stop
            if header.batch_count != len(items):
                raise ProtocolError(f"Batch Count is {header.batch_count}, but there are {len(items)} items")
        except ProtocolError as error:
            raise error.within(self.name) from None
        return self.message(header, tuple(items))

    def _read_header(self, buffer: bytes, stop: int) -> tuple[Any, Reader]:
        """The header that ends there, and what reads the items of its version."""
        try:
            header = decoder(self.header, _version(buffer, stop))(buffer, 16, stop)
        except ProtocolError as error:
            raise error.within(self.header.__name__) from None
        read = decoder(self.item, header.protocol_version)
        # Credentials are not kept in memory for longer than their request.
        if getattr(header, "authentication", None) is None:
            self.last = buffer[16:stop], header, read
        return header, read

    def encode(self, message: Any) -> bytes:
        header, items = message.header, message.batch_items
        version = header.protocol_version
        if header.batch_count != len(items):
            raise ValueError(f"batch_count is {header.batch_count}, but there are {len(items)} items")
        writers = self.writers.get(version)
        if writers is None:
            writers = self._writers(version)
        out = [b"", b""]
        try:
            size = writers[0](header, out)
            out[1] = pack_head(self.header_head, size)
            return self._framed(out, size + 8, items, writers[1])
        except ProtocolError as error:
            raise error.within(self.name) from None

    def written(self, header: Any) -> bytes:
        """The header as one item."""
        out = [b""]
        try:
            size = self._writers(header.protocol_version)[0](header, out)
        except ProtocolError as error:
            raise error.within(self.name) from None
        out[0] = pack_head(self.header_head, size)
        return b"".join(out)

    def framed(self, version: ProtocolVersion, header: bytes, items: Sequence[Any]) -> bytes:
        """The message of a written header, which says that there are so many items."""
        writers = self.writers.get(version)
        if writers is None:
            writers = self._writers(version)
        try:
            return self._framed([b"", header], len(header), items, writers[1])
        except ProtocolError as error:
            raise error.within(self.name) from None

    def _writers(self, version: ProtocolVersion) -> tuple[Writer, Writer]:
        writers = self.writers[version] = encoder(self.header, version), encoder(self.item, version)
        return writers

    def _framed(self, out: list[bytes], total: int, items: Sequence[Any], write: Writer) -> bytes:
        """The message whose header is in `out`, `total` bytes of it, behind room for the head of all."""
        for item in items:
            mark = len(out)
            out.append(b"")
            size = write(item, out)
            out[mark] = pack_head(_ITEM_HEAD, size)
            total += size + 8
        out[0] = pack_head(self.head, total)
        return b"".join(out)


def _version(buffer: bytes, stop: int) -> ProtocolVersion:
    head, size, _, _ = unpack_head(buffer, 16)
    if head != _VERSION_HEAD:
        raise missing(head if stop > 16 else 0).within("ProtocolVersion")
    if size != 32 or 24 + size > stop:
        raise malformed(head, size).within("ProtocolVersion")
    try:
        version: ProtocolVersion = decoder(ProtocolVersion, SUPPORTED[0])(buffer, 24, 56)
    except ProtocolError as error:
        raise error.within("ProtocolVersion") from None
    if version not in SUPPORTED:
        unsupported = UnsupportedVersion(version)
        unsupported.path = ("ProtocolVersion",)
        raise unsupported
    return version


_REQUESTS: Final = _MessageCodec(
    Tag.REQUEST_MESSAGE, Tag.REQUEST_HEADER, RequestMessage, RequestHeader, RequestBatchItem
)
RESPONSES: Final = _MessageCodec(
    Tag.RESPONSE_MESSAGE, Tag.RESPONSE_HEADER, ResponseMessage, ResponseHeader, ResponseBatchItem
)


def decode_request(data: bytes) -> RequestMessage:
    """A whole request. Raises ProtocolError for bytes that are none, UnsupportedVersion for another version's."""
    message: RequestMessage = _REQUESTS.decode(data)
    return message


def encode_request(message: RequestMessage) -> bytes:
    """The bytes of a request, in its header's version. Raises ProtocolError where the version lacks a value."""
    return _REQUESTS.encode(message)


def decode_response(data: bytes) -> ResponseMessage:
    """A whole response. Raises ProtocolError for bytes that are none, UnsupportedVersion for another version's."""
    message: ResponseMessage = RESPONSES.decode(data)
    return message


def encode_response(message: ResponseMessage) -> bytes:
    """The bytes of a response, in its header's version. Raises ProtocolError where the version lacks a value."""
    return RESPONSES.encode(message)
