"""Both clients against a real daemon."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import trio

from kmsd.client import Client, ConnectionFailed, KmipError, SyncClient, requests
from protocol.attributes import Attribute
from protocol.enums import (
    BatchErrorContinuationOption,
    BlockCipherMode,
    CryptographicAlgorithm,
    KeyFormatType,
    ObjectType,
    Operation,
    PaddingMethod,
    RecommendedCurve,
    ResultReason,
    ResultStatus,
    RevocationReasonCode,
    State,
    ValidityIndicator,
)
from protocol.enums import CryptographicUsageMask as Usage
from protocol.errors import ProtocolError
from protocol.names import Tag
from protocol.objects import KeyBlock, KeyValue, SymmetricKey
from protocol.structures import CryptographicParameters
from protocol.ttlv import Item, ItemType
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_1, ProtocolVersion
from tests.client.conftest import Drive, Driver, of
from tests.daemon import Daemon

TENANTS = ["acme-app", "bank-app"]
"""The defaults of the one are SOFTWARE keys, those of the other HSM keys."""


@pytest.fixture
async def app(drive: Drive, software_daemon: Daemon) -> Driver:
    return drive(**of(software_daemon))


@pytest.fixture(params=TENANTS)
async def each(request: pytest.FixtureRequest, drive: Drive, hsm_daemon: Daemon) -> Driver:
    return drive(**of(hsm_daemon, request.param))


async def state_of(app: Driver, uid: str) -> State:
    [attribute] = (await app("get_attributes", uid, "State")).attributes
    state: State = attribute.value
    return state


async def active_key(app: Driver, **options: Any) -> str:
    uid: str = (await app("create", **options)).unique_identifier
    await app("activate", uid)
    return uid


async def active_pair(app: Driver, algorithm: CryptographicAlgorithm, **options: Any) -> tuple[str, str]:
    pair = await app("create_key_pair", algorithm, **options)
    for uid in (pair.private_key_unique_identifier, pair.public_key_unique_identifier):
        await app("activate", uid)
    return pair.private_key_unique_identifier, pair.public_key_unique_identifier


# ---- versions ---------------------------------------------------------------------------------------------------
async def test_it_speaks_the_newest_version_of_both_sides(app: Driver) -> None:
    assert app.client.version is None
    await app.connect()
    assert app.client.version == V2_1


@pytest.mark.parametrize("version", SUPPORTED, ids=str)
async def test_a_version_can_be_pinned(drive: Drive, software_daemon: Daemon, version: ProtocolVersion) -> None:
    app = drive(**of(software_daemon), version=version)
    name = Daemon.fresh_name()
    uid = await active_key(
        app, name=name, attributes=[Attribute("x-kind", Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, "a"))]
    )
    assert app.client.version == version
    assert (await app("locate", name=name)).unique_identifiers == (uid,)
    assert (await app("get", uid)).managed_object.key_block.cryptographic_length == 256
    names = {reference.name for reference in (await app("get_attribute_list", uid)).attribute_references}
    assert {"Cryptographic Algorithm", "Name"} <= names


async def test_what_a_version_cannot_say_is_not_sent(drive: Drive, software_daemon: Daemon) -> None:
    app = drive(**of(software_daemon), version=V1_0)
    with pytest.raises(ProtocolError, match=r"KMIP 1\.0 has no Encrypt"):
        await app("encrypt", "some-key", b"data")
    # Nothing was sent: the connection is as good as before.
    assert (await app("create")).unique_identifier


# ---- the operations ---------------------------------------------------------------------------------------------
async def test_the_life_of_a_key(each: Driver) -> None:
    name = Daemon.fresh_name()
    uid = (await each("create", CryptographicAlgorithm.AES, 128, name=name)).unique_identifier
    assert (await each("locate", name=name)).unique_identifiers == (uid,)
    assert await state_of(each, uid) == State.PRE_ACTIVE
    assert (await each("activate", uid)).unique_identifier == uid
    assert await state_of(each, uid) == State.ACTIVE
    assert (await each("check", uid, usage=Usage.ENCRYPT)).cryptographic_usage_mask is None
    await each("revoke", uid, RevocationReasonCode.SUPERSEDED, "a better one")
    assert await state_of(each, uid) == State.DEACTIVATED
    await each("destroy", uid)
    assert await state_of(each, uid) == State.DESTROYED


async def test_data_comes_back_from_encrypt_and_decrypt(each: Driver) -> None:
    uid = await active_key(each)
    made = await each("encrypt", uid, b"attack at dawn", additional_data=b"context")
    assert made.data != b"attack at dawn"
    back = await each(
        "decrypt",
        uid,
        made.data,
        iv=made.iv_counter_nonce,
        tag=made.authenticated_encryption_tag,
        additional_data=b"context",
    )
    assert back.data == b"attack at dawn"


async def test_parameters_say_how_to_encrypt(each: Driver) -> None:
    uid = await active_key(each)
    cbc = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5)
    made = await each("encrypt", uid, b"0123456789abcdef", cbc, iv=bytes(16))
    assert len(made.data) == 32
    assert (await each("decrypt", uid, made.data, cbc, iv=bytes(16))).data == b"0123456789abcdef"


async def test_signatures_verify(each: Driver) -> None:
    private, public = await active_pair(each, CryptographicAlgorithm.EC, curve=RecommendedCurve.P_256)
    signature = (await each("sign", private, b"a contract")).signature_data
    digest = hashlib.sha256(b"a contract").digest()
    assert (await each("signature_verify", public, signature, digested_data=digest)).validity_indicator == (
        ValidityIndicator.VALID
    )
    assert (await each("signature_verify", public, signature, b"another")).validity_indicator == (
        ValidityIndicator.INVALID
    )


async def test_codes_verify(each: Driver) -> None:
    uid = await active_key(
        each, algorithm=CryptographicAlgorithm.HMAC_SHA256, usage=Usage.MAC_GENERATE | Usage.MAC_VERIFY
    )
    code = (await each("mac", uid, b"message")).mac_data
    assert (await each("mac_verify", uid, b"message", code)).validity_indicator == ValidityIndicator.VALID
    assert (await each("mac_verify", uid, b"massage", code)).validity_indicator == ValidityIndicator.INVALID


async def test_a_registered_key_comes_back(app: Driver) -> None:
    block = KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=KeyValue(key_material=bytes(range(32))),
        cryptographic_algorithm=CryptographicAlgorithm.AES,
        cryptographic_length=256,
    )
    made = await app("register", SymmetricKey(key_block=block), Usage.ENCRYPT, name=Daemon.fresh_name())
    found = await app("get", made.unique_identifier, key_format_type=KeyFormatType.RAW)
    assert found.object_type == ObjectType.SYMMETRIC_KEY
    assert found.managed_object.key_block.key_value.key_material == bytes(range(32))


@pytest.mark.parametrize("version", [V1_4, V2_1], ids=str)
async def test_attributes_are_added_modified_and_deleted(
    drive: Drive, software_daemon: Daemon, version: ProtocolVersion
) -> None:
    app = drive(**of(software_daemon), version=version)
    uid = (await app("create")).unique_identifier

    async def contacts() -> list[str]:
        found = (await app("get_attributes", uid, "Contact Information")).attributes
        return [attribute.value for attribute in found]

    await app("add_attribute", uid, Attribute("Contact Information", "alice"))
    assert await contacts() == ["alice"]
    await app("modify_attribute", uid, Attribute("Contact Information", "bob"))
    assert await contacts() == ["bob"]
    await app("delete_attribute", uid, "Contact Information")
    assert await contacts() == []


async def test_an_attribute_is_set(app: Driver) -> None:
    uid = (await app("create")).unique_identifier
    await app("set_attribute", uid, Attribute("Contact Information", "carol"))
    [attribute] = (await app("get_attributes", uid, "Contact Information")).attributes
    assert attribute.value == "carol"


async def test_the_server_helps_without_keys(app: Driver) -> None:
    assert (await app("hash", b"abc")).data == hashlib.sha256(b"abc").digest()
    assert len((await app("rng_retrieve", 24)).data) == 24
    assert Operation.CREATE in (await app("query")).operations
    assert (await app("discover_versions")).protocol_versions == SUPPORTED


# ---- refusals ---------------------------------------------------------------------------------------------------
async def test_a_refusal_says_reason_message_and_operation(app: Driver) -> None:
    with pytest.raises(KmipError, match="Object not found: no object 'nothing'") as caught:
        await app("get", "nothing")
    assert caught.value.reason == ResultReason.OBJECT_NOT_FOUND
    assert caught.value.message == "no object 'nothing'"
    assert caught.value.operation == Operation.GET


async def test_after_a_refusal_the_connection_serves_on(app: Driver) -> None:
    with pytest.raises(KmipError):
        await app("get", "nothing")
    assert len((await app("rng_retrieve", 8)).data) == 8


async def test_a_reader_creates_nothing(drive: Drive, software_daemon: Daemon) -> None:
    audit = drive(**of(software_daemon, "acme-audit"))
    with pytest.raises(KmipError) as caught:
        await audit("create")
    assert caught.value.reason == ResultReason.PERMISSION_DENIED


async def test_an_hsm_key_is_not_given_out(drive: Drive, hsm_daemon: Daemon) -> None:
    bank = drive(**of(hsm_daemon, "bank-app"))
    uid = await active_key(bank)
    with pytest.raises(KmipError) as caught:
        await bank("get", uid)
    assert caught.value.reason == ResultReason.NOT_EXTRACTABLE


# ---- batches ----------------------------------------------------------------------------------------------------
async def test_a_batch_passes_the_id_placeholder_on(app: Driver) -> None:
    made, activated, encrypted = await app(
        "batch", [requests.create(), requests.activate(), requests.encrypt(None, b"data")]
    )
    assert made.payload.unique_identifier == activated.payload.unique_identifier
    assert encrypted.operation == Operation.ENCRYPT
    assert encrypted.payload.authenticated_encryption_tag is not None


async def test_what_a_stopped_batch_did_not_come_to_has_no_outcome(app: Driver) -> None:
    batch = [requests.rng_retrieve(1), requests.get("nothing"), requests.rng_retrieve(1)]
    first, second = await app("batch", batch)
    assert len(first.payload.data) == 1
    assert (second.response, second.status) == (None, ResultStatus.OPERATION_FAILED)
    with pytest.raises(KmipError):
        _ = second.payload


async def test_a_batch_goes_on_where_it_is_told_to(app: Driver) -> None:
    batch = [requests.get("nothing"), requests.rng_retrieve(2)]
    first, second = await app("batch", batch, BatchErrorContinuationOption.CONTINUE)
    assert first.error is not None
    assert len(second.payload.data) == 2


async def test_what_was_undone_has_no_payload(app: Driver) -> None:
    name = Daemon.fresh_name()
    batch = [requests.create(name=name), requests.get("nothing")]
    first, _ = await app("batch", batch, BatchErrorContinuationOption.UNDO)
    assert first.status == ResultStatus.OPERATION_UNDONE
    with pytest.raises(KmipError):
        _ = first.payload
    assert (await app("locate", name=name)).unique_identifiers == ()


async def test_an_answer_larger_than_asked_for_is_refused_by_the_server(drive: Drive, software_daemon: Daemon) -> None:
    app = drive(**of(software_daemon), maximum_response_size=512)
    with pytest.raises(KmipError) as caught:
        await app("rng_retrieve", 4096)
    assert caught.value.reason == ResultReason.RESPONSE_TOO_LARGE


# ---- connections ------------------------------------------------------------------------------------------------
async def test_nobody_there(drive: Drive, software_daemon: Daemon) -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        app = drive(**{**of(software_daemon), "port": unused.getsockname()[1]})
        with pytest.raises(ConnectionFailed, match=r"no connection to 127\.0\.0\.1:"):
            await app.connect()


async def test_a_server_of_another_authority_is_not_trusted(
    drive: Drive, software_daemon: Daemon, authority: Any
) -> None:
    app = drive(**{**of(software_daemon), "ca": authority.client["ca"]})
    with pytest.raises(ConnectionFailed, match="no connection"):
        await app.connect()


async def test_a_certificate_that_the_server_does_not_trust(
    drive: Drive, software_daemon: Daemon, authority: Any
) -> None:
    app = drive(**{**of(software_daemon), **authority.client, "ca": software_daemon.ca})
    with pytest.raises(ConnectionFailed):
        await app.connect()


async def test_a_certificate_of_nobody_the_server_serves(drive: Drive, software_daemon: Daemon) -> None:
    """The server's own: of the right authority, but no client's."""
    app = drive(**of(software_daemon, "server"))
    with pytest.raises(ConnectionFailed):
        await app.connect()


@pytest.mark.parametrize("kind", [Client, SyncClient])
@pytest.mark.parametrize("name", ["certificate", "private_key", "ca"])
def test_files_that_are_not_there(kind: Any, software_daemon: Daemon, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConnectionFailed, match="No such file"):
        kind(**{**of(software_daemon), name: tmp_path / "nothing.pem"})


async def test_tasks_that_share_a_client_take_turns(software_daemon: Daemon) -> None:
    sizes = []

    async def ask(client: Client, size: int) -> None:
        sizes.append((size, len((await client.rng_retrieve(size)).data)))

    async with Client(**of(software_daemon)) as client, trio.open_nursery() as nursery:
        for size in range(1, 9):
            nursery.start_soon(ask, client, size)
    assert sorted(sizes) == [(size, size) for size in range(1, 9)]


def test_a_client_can_be_used_again_after_it_was_closed(software_daemon: Daemon) -> None:
    with SyncClient(**of(software_daemon)) as client:
        uid = client.create().unique_identifier
    with client:
        client.destroy(uid)
