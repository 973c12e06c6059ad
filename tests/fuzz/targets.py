"""What must hold for any bytes. The fuzzers and the tests call these; they raise where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from kmsd.config.tenants import Tenant as TenantSettings
from kmsd.domain.objects import ManagedObject
from kmsd.operations.declarations import apply_declared
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
from protocol.versions import V2_1
from tests.fuzz import placeholders
from tests.operations import requests
from tests.operations.conftest import Server, tenant_settings
from tests.operations.own_objects import objects
from tests.operations.test_certify import AUTHORITY
from tests.protocol.items import may_be_written_otherwise

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
        assert again == data or (may_be_written_otherwise(data, message) and read(again) == message)


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
LIMIT = 400
"""Answers after which a tenant is thrown away, with all that it was made to create."""


class Answers:
    """The dispatcher over a tenant with objects of each kind: any bytes get an answer, which is never "our bug"."""

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
                    await apply_declared(server.services, server.settings)
                    await nursery.start(server.services.requests.run)
                    done = await ask(await _answering(server))
                    nursery.cancel_scope.cancel()
            for file in self._directory.glob(f"{path.name}*"):
                file.unlink()


def settings() -> TenantSettings:
    """Small keys only: making a long RSA key takes longer than a thousand other requests."""
    return tenant_settings(
        **AUTHORITY,
        interop=True,
        algorithms={
            "AES": "*",
            "DES3": "*",
            "RSA": ("1024-2048",),
            "EC": "*",
            "ECDSA": "*",
            "HMAC_SHA256": ("112-1024",),
        },
    )


async def _answering(server: Server) -> Callable[[bytes], Any]:
    own = await _objects(server)
    names = placeholders.Names(own)
    uids = [own[kind] for kind in placeholders.KINDS]
    originals = {uid: found for uid in uids if (found := server.store.get("acme", uid)) is not None}
    versions = {uid: original.version for uid, original in originals.items()}
    changed = False

    async def answer(data: bytes) -> ResponseMessage:
        nonlocal changed
        if changed:
            await _restore(server, originals, versions)
        answered = await server.dispatcher.respond(server.peer("acme", "app"), names.put(data))
        response = decode_response(answered.data)
        changed = any(item.result_status != ResultStatus.OPERATION_FAILED for item in response.batch_items)
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
        found = server.store.get(original.tenant, uid)
        if found is not None and found.version != versions[uid]:
            # A name that has passed on, to the key's successor say, stays there.
            passed_on = any(server.store.holder(original.tenant, name) not in (None, uid) for name in original.names)
            attributes = original.attributes.remove("Name") if passed_on else original.attributes
            work.update(replace(original, attributes=attributes, version=found.version))
            versions[uid] = found.version + 1
    if work.updates:
        await server.store.commit(work)


async def _objects(server: Server) -> dict[str, str]:
    app = server.caller(version=V2_1)
    pair = await app.call(requests.pair(length=1024))
    rsa = {"RSA private": pair.private_key_unique_identifier, "RSA public": pair.public_key_unique_identifier}
    for uid in rsa.values():
        await app.call(requests.activate(uid))
    return {**await objects(app, placeholders.PREFIX), **rsa}
