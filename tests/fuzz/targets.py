"""What must hold for any bytes. The fuzzers and the tests call these; they raise where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain.objects import ManagedObject
from kmsd.storage.store import Store
from kmsd.storage.work import UnitOfWork
from protocol import pretty, ttlv, ttlv_json, ttlv_xml
from protocol.enums import ResultReason, ResultStatus
from protocol.errors import ProtocolError
from protocol.framing import FrameBuffer
from protocol.message import (
    ResponseMessage,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from protocol.ttlv import Item
from protocol.versions import V1_4
from tests.operations import requests
from tests.operations.conftest import Server, tenant_settings

FRAME_SIZE = 1 << 20


# ---- decoding ---------------------------------------------------------------------------------------------------
def decode_anything(data: bytes) -> None:
    """Bytes in any of the encodings mean something that survives being written and read again, or are refused."""
    if data[:1] in (b"<", b"{"):
        _decode_text(data)
        return
    _frame(data)
    try:
        item = ttlv.decode(data)
    except ProtocolError as error:
        _say(error)
    else:
        assert ttlv.decode(ttlv.encode(item)) == item
        pretty.pretty(item)
        _through_text(item)
    for read, write in _CODECS:
        try:
            message = read(data)
        except ProtocolError as error:
            _say(error)
            continue
        repr(message)
        again = write(message)
        # A Big Integer may come with more sign bytes than it needs: those are not written back.
        assert again == data or read(again) == message


_CODECS: tuple[tuple[Callable[[bytes], Any], Callable[[Any], bytes]], ...] = (
    (decode_request, encode_request),
    (decode_response, encode_response),
)


def _say(error: ProtocolError) -> None:
    """A refusal is logged and answered, so it must have words, and words that can be sent."""
    assert error.message
    str(error).encode()


def _frame(data: bytes) -> None:
    whole, parts = FrameBuffer(FRAME_SIZE), FrameBuffer(FRAME_SIZE)
    whole.receive_data(data)
    first = _next(whole)
    later: bytes | str | None = None
    for position in range(0, len(data), 100):
        parts.receive_data(data[position : position + 100])
        later = _next(parts)
        if later is not None:
            break
    assert first == later


def _next(frames: FrameBuffer) -> bytes | str | None:
    try:
        return frames.next_frame()
    except ProtocolError as error:
        return str(error)


def _decode_text(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    read = ttlv_xml.from_xml if text.startswith("<") else ttlv_json.from_json
    try:
        item = read(text)
    except ProtocolError as error:
        _say(error)
        return
    assert ttlv.decode(ttlv.encode(item)) == item
    _through_text(item)


def _through_text(item: Item) -> None:
    try:
        text = ttlv_xml.to_xml(item)
    except ValueError as error:
        if "XML cannot hold" not in str(error):
            raise
    else:
        assert ttlv_xml.from_xml(text) == item
    assert ttlv_json.from_json(ttlv_json.to_json(item)) == item


# ---- answering --------------------------------------------------------------------------------------------------
UIDS = tuple(f"00000000-0000-4000-8000-{number:012}" for number in range(1, 7))
"""What a message writes for the objects that the tenant begins with; `Answers` puts in their real names."""

LIMIT = 400
"""Answers after which a tenant is thrown away, with all that it was made to create."""


class Answers:
    """The dispatcher over a tenant with a few keys: any bytes get an answer, and the answer is never "our bug"."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0

    async def run(self, ask: Callable[[Callable[[bytes], Any]], Any]) -> None:
        """Calls `await ask(answer)` until it returns True, each time with a fresh tenant."""
        done = False
        while not done:
            self._number += 1
            path = self._directory / f"{self._number}.db"
            with Store.open(path) as store:
                async with trio.open_nursery() as nursery:
                    await nursery.start(store.run)
                    server = Server(store, {"acme": settings()})
                    await nursery.start(server.services.requests.run)
                    done = await ask(await _answering(server))
                    nursery.cancel_scope.cancel()
            for file in self._directory.glob(f"{path.name}*"):
                file.unlink()


def settings() -> TenantSettings:
    """Small keys only: making a long RSA key takes longer than a thousand other requests."""
    return tenant_settings(
        algorithms={
            "AES": "*",
            "DES3": "*",
            "RSA": ("1024-2048",),
            "EC": "*",
            "ECDSA": "*",
            "HMAC_SHA256": ("112-1024",),
        }
    )


async def _answering(server: Server) -> Callable[[bytes], Any]:
    uids = await _objects(server)
    names = {uid.encode(): real.encode() for uid, real in zip(UIDS, uids, strict=True)}
    originals = {uid: found for uid in uids if (found := server.store.get("acme", uid)) is not None}
    versions = {uid: original.version for uid, original in originals.items()}

    async def answer(data: bytes) -> ResponseMessage:
        await _restore(server, originals, versions)
        for placeholder, real in names.items():
            data = data.replace(placeholder, real)
        response = decode_response((await server.dispatcher.respond(server.peer("acme", "app"), data)).data)
        for item in response.batch_items:
            assert item.result_status != ResultStatus.OPERATION_FAILED or item.result_reason is not None
            assert item.result_reason != ResultReason.INTERNAL_SERVER_ERROR, item
            # Without a message it is a handler that failed (1.x); every refusal says why.
            assert item.result_reason != ResultReason.GENERAL_FAILURE or item.result_message, item
        return response

    return answer


async def _restore(server: Server, originals: dict[str, ManagedObject], versions: dict[str, int]) -> None:
    """Changed keys as they were at first: else the tenant would soon have none that is of use."""
    work = UnitOfWork()
    for uid, original in originals.items():
        found = server.store.get("acme", uid)
        if found is not None and found.version != versions[uid]:
            work.update(replace(original, version=found.version))
            versions[uid] = found.version + 1
    if work.updates:
        await server.store.commit(work)


async def _objects(server: Server) -> list[str]:
    app = server.caller(version=V1_4)
    pair = await app.call(requests.pair())
    found = [
        (await app.call(requests.create())).unique_identifier,
        (await app.call(requests.register(bytes(range(16))))).unique_identifier,
        pair.private_key_unique_identifier,
        pair.public_key_unique_identifier,
        (await app.call(requests.create(usage=requests.Mask.WRAP_KEY | requests.Mask.MAC_GENERATE))).unique_identifier,
        (await app.call(requests.create())).unique_identifier,
    ]
    for uid in found[:5]:
        await app.call(requests.activate(uid))
    return found


_NAMES_OBJECT = re.compile(r"\$|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


def with_placeholders(data: bytes) -> bytes:
    """A message of a test case with the tenant's objects in the place of those that it names."""
    return ttlv.encode(_renamed(ttlv.decode(data)))


def _renamed(item: Item) -> Item:
    if isinstance(item.value, tuple):
        return Item(item.tag, item.type, tuple(_renamed(child) for child in item.value))
    if isinstance(item.value, str) and _NAMES_OBJECT.match(item.value):
        return Item(item.tag, item.type, UIDS[sum(item.value.encode()) % len(UIDS)])
    return item
