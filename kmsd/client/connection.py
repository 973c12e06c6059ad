"""What both clients share: who they are, which version they speak, requests into frames and frames into outcomes.

No I/O here. A conversation is a generator that yields a frame to send and is sent the frame that came back.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from kmsd.client import requests
from kmsd.client.errors import ConnectionFailed, ConnectionLost, KmipError
from kmsd.client.key_methods import KeyService
from kmsd.client.methods import Operations
from protocol import vendor
from protocol.enums import (
    XML_NAMES,
    BatchErrorContinuationOption,
    CredentialType,
    Operation,
    ResultReason,
    ResultStatus,
)
from protocol.errors import ProtocolError
from protocol.message import (
    Authentication,
    MessageExtension,
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    UnreadablePayload,
    decode_response,
    encode_request,
)
from protocol.names import Tag
from protocol.operations import OPERATIONS
from protocol.structures import Credential, UsernameAndPassword
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_0, V1_1, V2_1, ProtocolVersion

T = TypeVar("T")

Conversation = Generator[bytes, bytes, T]

LARGEST_ANSWER: Final = 16 << 20
"""Bytes; a server that sends more is not listened to."""

OPERATION_OF: Final[dict[type, Operation]] = {spec.request: operation for operation, spec in OPERATIONS.items()}

REPEATABLE: Final = frozenset(
    {
        Operation.LOCATE,
        Operation.GET,
        Operation.GET_ATTRIBUTES,
        Operation.GET_ATTRIBUTE_LIST,
        Operation.CHECK,
        Operation.QUERY,
        Operation.DISCOVER_VERSIONS,
        Operation.SIGNATURE_VERIFY,
        Operation.MAC_VERIFY,
        Operation.HASH,
        vendor.DESCRIBE_CMK,
        vendor.LIST_CMKS,
        vendor.LIST_ALIASES,
        vendor.LIST_CMK_VERSIONS,
        vendor.KMS_DECRYPT,
        vendor.EXPORT_DATA_KEY,
        vendor.GET_PUBLIC_KEY,
    }
)
"""Operations that change nothing: sent again, once, where an idle connection turns out to be closed."""

OF_ANOTHER_VERSION: Final = frozenset(
    {
        ResultReason.OPERATION_NOT_SUPPORTED,
        ResultReason.FEATURE_NOT_SUPPORTED,
        ResultReason.UNSUPPORTED_PROTOCOL_VERSION,
        ResultReason.INVALID_MESSAGE,
        ResultReason.INVALID_FIELD,
        ResultReason.UNKNOWN_ENUMERATION,
        ResultReason.CODEC_ERROR,
        ResultReason.GENERAL_FAILURE,
    }
)
"""With these a server refuses a version or an operation that it does not know; 1.x has no reason of its own for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a batch."""

    operation: Operation
    status: ResultStatus
    response: Any
    """The response payload; None where the item failed."""
    error: KmipError | None

    @property
    def payload(self) -> Any:
        """The response payload. Raises KmipError where the item failed, or was undone with its batch."""
        if self.error is not None:
            raise self.error
        return self.response


class BaseClient(Operations, KeyService):
    """A client of one server, known by its certificate; `certificate`, `private_key` and `ca` are PEM files.

    `version` pins the protocol version; else it is the newest that both sides have. With `username`, each request
    carries a Username and Password credential. `maximum_response_size`, in bytes, is told to the server.
    Raises ConnectionFailed where the files are of no use.
    """

    def __init__(  # noqa: PLR0913 (all but two are named)
        self,
        host: str,
        port: int = 5696,
        *,
        certificate: Path,
        private_key: Path,
        ca: Path,
        version: ProtocolVersion | None = None,
        username: str | None = None,
        password: str | None = None,
        maximum_response_size: int | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.version = version
        """The version that is spoken; None until the first connection where it is not pinned."""
        self._maximum_response_size = maximum_response_size
        self._largest = maximum_response_size or LARGEST_ANSWER
        self._tls = tls_context(certificate, private_key, ca)
        self._authentication: Authentication | None = None
        if username is not None:
            value = UsernameAndPassword(username=username, password=password)
            credential = Credential(credential_type=CredentialType.USERNAME_AND_PASSWORD, credential_value=value)
            self._authentication = Authentication(credentials=(credential,))

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def _unreachable(self, error: BaseException) -> ConnectionFailed:
        return ConnectionFailed(f"no connection to {self.address}: {_words(error)}")

    def _closed(self, partial: bool, cause: BaseException | None = None) -> ConnectionFailed:
        """`partial`: within the answer, which then is no sign of a connection that was idle for too long."""
        kind = ConnectionFailed if partial else ConnectionLost
        why = f": {_words(cause)}" if cause is not None else ""
        return kind(f"{self.address} closed the connection {'within its' if partial else 'without an'} answer{why}")

    def _negotiate(self) -> Conversation[ProtocolVersion]:
        """The newest version of both sides, by Discover Versions (KMIP 1.4 §4.26).

        Asked in 1.1, the first version that has the operation; then in 2.1, for a server that has dropped 1.x. One
        that knows neither the operation nor the versions is of 1.0. Raises KmipError for any other refusal: who is not
        let in learns of no version, and must not try wrong credentials again.
        """
        for version in (V1_1, V2_1):
            try:
                [outcome] = yield from self._exchange([requests.discover_versions(*SUPPORTED)], version)
                theirs = outcome.payload.protocol_versions
            except KmipError as error:
                if error.reason not in OF_ANOTHER_VERSION:
                    raise
                continue
            common = [version for version in SUPPORTED if version in theirs]
            if not common:
                spoken = ", ".join(map(str, theirs)) or "none of ours"
                raise ConnectionFailed(f"the server speaks other versions of KMIP: {spoken}")
            return common[0]
        return V1_0

    def _exchange(
        self,
        payloads: Sequence[Any],
        version: ProtocolVersion,
        on_error: BatchErrorContinuationOption | None = None,
        extensions: tuple[MessageExtension, ...] = (),
    ) -> Conversation[tuple[Outcome, ...]]:
        """One request and its answer. Raises KmipError where the server refuses the request as a whole."""
        operations = [OPERATION_OF[type(payload)] for payload in payloads]
        for operation in operations:
            spec = OPERATIONS[operation]
            if version < spec.since or (spec.until is not None and version > spec.until):
                raise ProtocolError(f"KMIP {version} has no {XML_NAMES[Operation][operation]}")
        answer = yield self._encode(operations, payloads, version, on_error, extensions)
        try:
            items = decode_response(answer).batch_items
            return tuple(_outcomes(operations, items))
        except ProtocolError as error:
            raise ConnectionFailed(f"the answer cannot be read: {error}") from error

    def _encode(
        self,
        operations: Sequence[Operation],
        payloads: Sequence[Any],
        version: ProtocolVersion,
        on_error: BatchErrorContinuationOption | None,
        extensions: tuple[MessageExtension, ...],
    ) -> bytes:
        single = len(payloads) == 1
        header = RequestHeader(
            protocol_version=version,
            maximum_response_size=self._maximum_response_size,
            authentication=self._authentication,
            batch_error_continuation_option=on_error,
            batch_order_option=None if single else True,
            batch_count=len(payloads),
        )
        items = tuple(
            RequestBatchItem(
                operation=operation,
                unique_batch_item_id=None if single else number.to_bytes(4),
                payload=payload,
                message_extension=extensions,
            )
            for number, (operation, payload) in enumerate(zip(operations, payloads, strict=True))
        )
        return encode_request(RequestMessage(header, items))

    @staticmethod
    def _repeatable(payloads: Iterable[Any]) -> bool:
        return all(OPERATION_OF[type(payload)] in REPEATABLE for payload in payloads)


def _outcomes(operations: Sequence[Operation], items: Sequence[ResponseBatchItem]) -> Iterable[Outcome]:
    """The outcomes of the items that the server ran, in order: with Stop or Undo it ends at the first failure."""
    if not items or len(items) > len(operations):
        raise ProtocolError(f"{len(items)} items answer {len(operations)}")
    for number, (operation, item) in enumerate(zip(operations, items, strict=False)):
        failed = item.result_status != ResultStatus.SUCCESS
        error = KmipError(item.result_reason or _GENERAL, item.result_message, item.operation) if failed else None
        if item.operation is None and error is not None:
            raise error
        expected = None if len(operations) == 1 else number.to_bytes(4)
        if item.operation != operation or item.unique_batch_item_id not in (expected, None):
            raise ProtocolError("the answer is to another request")
        if isinstance(item.payload, UnreadablePayload):
            raise item.payload.error
        if not failed and item.payload is None:
            raise ProtocolError("an answer without its payload")
        yield Outcome(operation, item.result_status, None if failed else item.payload, error)


def _words(error: BaseException) -> str:
    """The text of an error of the system or of TLS, without numbers and places in source files."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason is not None:
        return str(error.reason).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return str(error) or type(error).__name__


DRY_RUN: Final = MessageExtension(
    vendor_identification="kmsd",
    criticality_indicator=True,
    vendor_extension=Item(
        Tag.VENDOR_EXTENSION, ItemType.STRUCTURE, (Item(vendor.TAG_DRY_RUN, ItemType.BOOLEAN, True),)
    ),
)
"""With it, kmsd tries a request and keeps nothing of it."""


def check_tried(outcome: Outcome) -> None:
    """Raise KmipError where a request that was only tried would have failed."""
    if outcome.error is not None and outcome.error.reason != vendor.DRY_RUN:
        raise outcome.error
    if outcome.error is None:
        raise ConnectionFailed("the server has carried out what it was to try only")


_GENERAL: Final = ResultReason.GENERAL_FAILURE


def tls_context(certificate: Path, private_key: Path, ca: Path) -> ssl.SSLContext:
    """TLS 1.2 or later with a client certificate; the server's is checked against `ca` and its host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise ConnectionFailed(f"{ca}: {_words(error)}") from error
    try:
        context.load_cert_chain(certificate, private_key)
    except OSError as error:
        raise ConnectionFailed(f"{certificate} and {private_key}: {_words(error)}") from error
    return context
