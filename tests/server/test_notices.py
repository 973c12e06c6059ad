"""Notify and Put: a client that listens is told what it may know, in its version, and nobody else is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.config.receivers import Receiver
from kmsd.config.secrets import SecretFile
from kmsd.server.dispatcher import Dispatcher
from kmsd.server.notices import Listening, Notices
from protocol.attributes import Attribute, AttributeReference
from protocol.enums import BatchErrorContinuationOption, ObjectType, Operation, PutFunction, ResultStatus, State
from protocol.message import decode_request
from protocol.names import Tag
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.re_key import ReKeyRequest
from protocol.ttlv import Item, ItemType, decode
from protocol.versions import V1_0, V1_4, V2_1, ProtocolVersion
from tests.operations.conftest import NOW, Server, server
from tests.operations.requests import activate, attributes, create, destroy, get, register
from tests.server.listening import Listener, listening

__all__ = ["server"]


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    directory = tmp_path / "listener"
    directory.mkdir()
    async with listening(directory) as listener:
        yield listener


class Watched:
    """The server of the other tests, with somebody who listens."""

    def __init__(self, server: Server, listener: Listener, nursery: trio.Nursery) -> None:
        self.server, self.listener, self.nursery = server, listener, nursery
        self.notices: Notices | None = None

    def listen(self, name: str = "app", version: ProtocolVersion = V1_4, **more: Any) -> None:
        directory = self.listener.directory
        settings = Receiver(
            host=more.pop("host", "127.0.0.1"),
            port=self.listener.port,
            ca=(directory / "ca.pem",),
            certificate=directory / "notices.pem",
            private_key=SecretFile(directory / "notices.key"),
            version=version,
            **more,
        )
        identity = self.server.peer("acme", name).known.identity
        one = Listening(identity, self.server.peers.grants(identity), settings)
        self.notices = Notices([one], directory / "notices.pem", directory / "notices.key")
        self.server.services = replace(self.server.services, watcher=self.notices)
        self.server.dispatcher = Dispatcher(self.server.services, self.server.peers, maximum_items=64)
        self.nursery.start_soon(self.notices.run, self.server.services)

    async def told(self, number: int) -> list[tuple[Operation, Any]]:
        """The operation and payload of the first messages."""
        with trio.fail_after(20):
            return [(item.operation, item.payload) for item in await self.listener.items(number)]


@pytest.fixture
def watched(server: Server, listener: Listener, nursery: trio.Nursery) -> Watched:
    return Watched(server, listener, nursery)


def named(payload: Any) -> dict[str, Any]:
    return {attribute.key: attribute.value for attribute in payload.attributes}


@pytest.mark.parametrize("version", [V1_0, V1_4, V2_1])
async def test_a_new_object_is_put_with_its_attributes(watched: Watched, version: Any) -> None:
    watched.listen(version=version)
    app = watched.server.caller(version=version)
    uid = (await app.call(register(bytes(range(16))))).unique_identifier
    [(operation, put)] = await watched.told(1)
    assert operation == Operation.PUT
    assert (put.unique_identifier, put.put_function) == (uid, PutFunction.NEW)
    assert put.managed_object.key_block.key_value.key_material == bytes(range(16))
    seen = named(put)
    assert seen["Unique Identifier"] == uid
    assert seen["Object Type"] == ObjectType.SYMMETRIC_KEY
    assert seen["State"] == State.PRE_ACTIVE
    [record] = [record for _, record in watched.server.store.audit_after(0) if record.operation == "PUT"]
    header = decode_request(watched.listener.frames[0]).header
    assert header.server_correlation_value == (record.server_correlation_value if version >= V1_4 else None)
    assert record.server_correlation_value


async def test_a_changed_attribute_is_told_with_the_date_of_the_change(watched: Watched) -> None:
    watched.listen()
    app = watched.server.caller()
    uid = (await app.call(create())).unique_identifier
    watched.server.now += 5
    await app.call(AddAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Contact Information", "a")))
    await app.call(ModifyAttributeRequest(unique_identifier=uid, new_attribute=Attribute("Contact Information", "b")))
    await app.call(destroy(uid))
    told = await watched.told(4)
    assert [operation for operation, _ in told] == [Operation.PUT] + [Operation.NOTIFY] * 3
    assert [named(payload) for _, payload in told[1:3]] == [
        {"Contact Information": value, "Last Change Date": NOW + 5} for value in ("a", "b")
    ]
    assert named(told[3][1])["State"] == State.DESTROYED


async def test_a_deleted_attribute_is_told_without_a_value(watched: Watched) -> None:
    watched.listen()
    app = watched.server.caller()
    contact = Attribute("Contact Information", "a")
    uid = (await app.call(create(contact))).unique_identifier
    reference = AttributeReference("Contact Information", None)
    await app.call(DeleteAttributeRequest(unique_identifier=uid, attribute_reference=reference))
    await watched.told(1)
    with trio.fail_after(20):
        while len(watched.listener.frames) < 2:
            watched.listener.arrived = trio.Event()
            await watched.listener.arrived.wait()
    payload = decode(watched.listener.frames[1]).find(Tag.BATCH_ITEM).find(Tag.REQUEST_PAYLOAD)  # type: ignore[union-attr]
    assert payload is not None
    name = Item(Tag.ATTRIBUTE_NAME, ItemType.TEXT_STRING, reference.name)
    assert Item(Tag.ATTRIBUTE, ItemType.STRUCTURE, (name,)) in payload.value  # type: ignore[operator]


async def test_a_deleted_attribute_is_a_reference_in_2_x(watched: Watched) -> None:
    watched.listen(version=V2_1)
    app = watched.server.caller(version=V2_1)
    uid = (await app.call(create(Attribute("Contact Information", "a")))).unique_identifier
    reference = AttributeReference("Contact Information", None)
    await app.call(DeleteAttributeRequest(unique_identifier=uid, attribute_reference=reference))
    _, (_, notify) = await watched.told(2)
    assert notify.attribute_references == (reference,)
    assert set(named(notify)) == {"Last Change Date"}


async def test_a_replacement_says_what_it_replaces(watched: Watched) -> None:
    watched.listen()
    app = watched.server.caller()
    uid = (await app.call(create())).unique_identifier
    await app.call(activate(uid))
    new = (await app.call(ReKeyRequest(unique_identifier=uid))).unique_identifier
    puts = {p.unique_identifier: p for operation, p in await watched.told(4) if operation == Operation.PUT}
    assert (puts[new].put_function, puts[new].replaced_unique_identifier) == (PutFunction.REPLACE, uid)


async def test_what_may_not_be_fetched_is_told_and_not_put(watched: Watched) -> None:
    watched.listen()
    app = watched.server.caller()
    uid = (await app.call(create(Attribute("Sensitive", True)))).unique_identifier
    [(operation, notify)] = await watched.told(1)
    assert (operation, notify.unique_identifier) == (Operation.NOTIFY, uid)


async def test_a_client_hears_only_what_its_roles_let_it_see(watched: Watched) -> None:
    watched.listen("reader")
    uid = (await watched.server.caller().call(create())).unique_identifier
    [(operation, notify)] = await watched.told(1)
    assert (operation, notify.unique_identifier) == (Operation.NOTIFY, uid)


async def test_other_tenants_objects_and_undone_ones_are_not_told(watched: Watched) -> None:
    watched.listen()
    await watched.server.caller("bank").call(create())
    app = watched.server.caller()
    await app.batch([create(), get("none")], BatchErrorContinuationOption.UNDO)
    uid = (await app.call(create())).unique_identifier
    [(_, put)] = await watched.told(1)
    assert put.unique_identifier == uid


async def test_only_what_the_client_takes_is_sent(watched: Watched) -> None:
    watched.listen(operations=(Operation.NOTIFY,))
    await watched.server.caller().call(create())
    [(operation, _)] = await watched.told(1)
    assert operation == Operation.NOTIFY


async def test_a_put_is_in_the_audit_before_it_leaves(watched: Watched) -> None:
    watched.listen()
    uid = (await watched.server.caller().call(create())).unique_identifier
    await watched.told(1)
    records = [record for _, record in watched.server.store.audit_after(0)]
    [put] = [record for record in records if record.operation == "PUT"]
    assert (put.tenant, put.client, put.uid, put.result) == ("acme", "app", uid, "SUCCESS")
    assert put.address == f"127.0.0.1:{watched.listener.port}"


async def test_a_connection_that_breaks_is_made_again(watched: Watched) -> None:
    watched.listener.hang_up = 1
    watched.listen()
    uid = (await watched.server.caller().call(create())).unique_identifier
    [(_, put)] = await watched.told(1)
    assert put.unique_identifier == uid


async def test_a_refusal_of_the_client_is_no_reason_to_repeat(watched: Watched) -> None:
    watched.listener.status = ResultStatus.OPERATION_FAILED
    watched.listen(operations=(Operation.NOTIFY,))
    app = watched.server.caller()
    first = (await app.call(create())).unique_identifier
    second = (await app.call(create())).unique_identifier
    assert [payload.unique_identifier for _, payload in await watched.told(2)] == [first, second]


async def test_nobody_else_gets_it_for_the_client(watched: Watched, caplog: Any) -> None:
    """The name in the listener's certificate must be the one that the configuration names."""
    watched.listen(host="127.0.0.2")
    uid = (await watched.server.caller().call(create())).unique_identifier
    assert await watched.server.caller().call(attributes(uid))
    await trio.sleep(0.3)
    assert watched.listener.frames == []
