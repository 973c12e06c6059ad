"""The client's side of the cases in which the server sends the requests: Put and Notify (TC-NP).

A listener takes the daemon's messages and answers them. Where a case prints such a request, the next message that has
come is compared with it, and what the listener answered is the response of the step.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol import ttlv
from protocol.enums import Operation, ResultStatus
from protocol.message import ResponseBatchItem, ResponseHeader, ResponseMessage, encode_response
from protocol.names import Tag
from protocol.operations.notify import NotifyResponse
from protocol.operations.put import PutResponse
from protocol.ttlv import Item
from protocol.versions import ProtocolVersion
from tests.conformance.history import batch_items, leaves, value_of

FROM_THE_SERVER = {Operation.PUT: PutResponse, Operation.NOTIFY: NotifyResponse}
TIMEOUT = 30.0

# Values that are the server's, or the time's (KMIP Profiles 2.1 §4.1.1): these attributes must be there.
_ANY_VALUE = frozenset({"Digest", "Fresh", "Initial Date", "Last Change Date", "Original Creation Date", "Lease Time"})


class ToldOtherwiseError(ConnectionError):
    """The message that came is not the one that the case prints."""


class Listener:
    """TLS on a free port; one connection at a time, for as long as the daemon keeps it."""

    def __init__(self, directory: Path, host: str) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(directory / "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(directory / "listener.pem", directory / "listener.key")
        self._context = context
        self._socket = socket.create_server((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self._frames: queue.Queue[bytes] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return  # closed
            with plain, self._context.wrap_socket(plain, server_side=True) as connection:
                self._converse(connection)

    def _converse(self, connection: ssl.SSLSocket) -> None:
        file = connection.makefile("rb")
        while len(head := file.read(8)) == 8:
            frame = head + file.read(int.from_bytes(head[4:], "big"))
            connection.sendall(answer_to(ttlv.decode(frame)))
            self._frames.put(frame)

    def take(self) -> bytes:
        """The next message, in the order of their coming. Raises ToldOtherwiseError for none."""
        try:
            return self._frames.get(timeout=TIMEOUT)
        except queue.Empty:
            raise ToldOtherwiseError("the server has sent nothing") from None

    def close(self) -> None:
        # Closing alone does not wake the thread that accepts.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(TIMEOUT)


def answer_to(request: Item) -> bytes:
    operation = _operation(request)
    version = ProtocolVersion(
        *(int(str(value_of(request, Tag.REQUEST_HEADER, Tag.PROTOCOL_VERSION, tag))) for tag in _VERSION)
    )
    item = ResponseBatchItem(
        operation=operation, result_status=ResultStatus.SUCCESS, payload=FROM_THE_SERVER[operation]()
    )
    header = ResponseHeader(protocol_version=version, time_stamp=int(time.time()), batch_count=1)
    return encode_response(ResponseMessage(header=header, batch_items=(item,)))


_VERSION = (Tag.PROTOCOL_VERSION_MAJOR, Tag.PROTOCOL_VERSION_MINOR)


def _operation(request: Item) -> Operation:
    return Operation(value_of(batch_items(request)[0], Tag.OPERATION))


class ListeningConnection:
    """A transport whose client listens as well."""

    def __init__(self, transport: Callable[[bytes], bytes], listener: Listener, close: Callable[[], None]) -> None:
        self._transport, self._listener, self.close = transport, listener, close
        self._sent: set[bytes] = set()

    def __call__(self, frame: bytes) -> bytes:
        request = ttlv.decode(frame)
        if _operation(request) not in FROM_THE_SERVER:
            self._sent.update(leaf.value for leaf in leaves(request) if isinstance(leaf.value, bytes))
            return self._transport(frame)
        actual = ttlv.decode(self._listener.take())
        differences = list(self._differences(request, actual))
        if differences:
            raise ToldOtherwiseError("; ".join(differences))
        return answer_to(actual)

    def _differences(self, expected: Item, actual: Item) -> Iterator[str]:
        [wanted], [told] = batch_items(expected), batch_items(actual)
        for path in (
            (Tag.OPERATION,),
            (Tag.REQUEST_PAYLOAD, Tag.UNIQUE_IDENTIFIER),
            (Tag.REQUEST_PAYLOAD, Tag.PUT_FUNCTION),
        ):
            if value_of(wanted, *path) != value_of(told, *path):
                yield f"{path[-1].name}: expected {value_of(wanted, *path)}, got {value_of(told, *path)}"
        attributes = _attributes(told)
        for name, value in _attributes(wanted).items():
            if name not in attributes:
                yield f"{name} is missing"
            elif name not in _ANY_VALUE and attributes[name] != value:
                yield f"{name}: expected {value}, got {attributes[name]}"
        yield from self._of_the_key(wanted, told)

    def _of_the_key(self, wanted: Item, told: Item) -> Iterator[str]:
        path = (Tag.REQUEST_PAYLOAD, Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL)
        expected, material = value_of(wanted, *path), value_of(told, *path)
        if not isinstance(expected, bytes):
            return
        if not isinstance(material, bytes) or len(material) != len(expected):
            yield "the key is missing, or of another length"
        elif expected in self._sent and material != expected:
            yield "the key is not the one that was registered"


def _attributes(item: Item) -> dict[str, object]:
    payload = item.find(Tag.REQUEST_PAYLOAD)
    children = payload.value if payload is not None and isinstance(payload.value, tuple) else ()
    return {
        str(value_of(child, Tag.ATTRIBUTE_NAME)): value_of(child, Tag.ATTRIBUTE_VALUE)
        for child in children
        if child.tag == Tag.ATTRIBUTE
    }


@contextmanager
def listeners(tenants: list[str], directory: Path, host: str) -> Iterator[dict[str, Listener]]:
    """One for each of the tenants whose cases need one, by tenant."""
    opened = {tenant: Listener(directory, host) for tenant in tenants if "tc-np-" in tenant}
    try:
        yield opened
    finally:
        for listener in opened.values():
            listener.close()


def setting(listener: Listener, tenant: str, directory: Path, host: str) -> dict[str, object]:
    """How the configuration declares it; a tenant's name begins with its version: v14-..."""
    return {
        "host": host,
        "port": listener.port,
        "ca": [str(directory / "ca.pem")],
        "certificate": str(directory / "notices.pem"),
        "private_key": str(directory / "notices.key"),
        "version": f"{tenant[1]}.{tenant[2]}",
    }
