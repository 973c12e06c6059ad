"""What a client must not get by asking oddly: the server's own attributes, plain secrets, more than its share."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from typing import Any

import pytest
import trustme

from kmsd.config.passwords import PasswordHash, hash_password
from kmsd.config.tenants import KnownClient
from kmsd.domain.attribute_rules import PROTECTION
from kmsd.domain.identity import Identity
from kmsd.domain.making import PROTECTION_ATTRIBUTE
from kmsd.server.connections import Refused
from kmsd.server.identity import Peer
from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import (
    CredentialType,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    KeyFormatType,
    ObjectType,
    OpaqueDataType,
    Operation,
    ProtectionLevel,
    ResultReason,
    ResultStatus,
    SecretDataType,
    WrappingMethod,
)
from protocol.errors import ProtocolError
from protocol.message import (
    Authentication,
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    decode_response,
    encode_request,
)
from protocol.names import Tag
from protocol.objects import (
    EncryptionKeyInformation,
    KeyBlock,
    KeyValue,
    KeyWrappingSpecification,
    OpaqueObject,
    SecretData,
)
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.get import GetRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.register import RegisterRequest
from protocol.operations.set_attribute import SetAttributeRequest
from protocol.structures import Credential, UsernameAndPassword
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_0, V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, get, name, shown


def text(key: str, value: str = "text", vendor: str | None = None) -> Attribute:
    return Attribute(key, Item(Tag.ATTRIBUTE_VALUE, ItemType.TEXT_STRING, value), vendor=vendor)


def opaque(value: bytes, *more: Attribute) -> RegisterRequest:
    return RegisterRequest(
        object_type=ObjectType.OPAQUE_OBJECT,
        attributes=Template(attributes=more),
        managed_object=OpaqueObject(opaque_data_type=OpaqueDataType(0x80000001), opaque_data_value=value),
    )


# How the server's own attribute, and another vendor's, would be spelled in the name of a 1.x custom attribute.
POSING = ["-\x1fShell", "acme\x1fkey", "x-a\x1fb"]


@pytest.mark.parametrize("key", POSING)
@pytest.mark.parametrize("version", [V1_0, V1_4])
async def test_a_name_cannot_pose_as_a_vendor_s_attribute(app: Caller, version: Any, key: str) -> None:
    app = app.at(version)
    uid = (await app.call(opaque(b"value"))).unique_identifier
    for request in (
        AddAttributeRequest(unique_identifier=uid, new_attribute=text(key)),
        ModifyAttributeRequest(unique_identifier=uid, new_attribute=text(key)),
        DeleteAttributeRequest(unique_identifier=uid, attribute_reference=AttributeReference(key)),
        create(text(key)),
        LocateRequest(attributes=(text(key),)),
    ):
        assert await app.refused(request) == ResultReason.INVALID_FIELD
    assert (await app.call(get(uid))).managed_object.opaque_data_value == b"value"


async def test_the_server_s_own_attributes_are_out_of_reach_in_2_too(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await app.call(opaque(b"value"))).unique_identifier
    shell = text("Shell", vendor="-")
    assert (
        await app.refused(AddAttributeRequest(unique_identifier=uid, new_attribute=shell))
        == ResultReason.ATTRIBUTE_READ_ONLY
    )
    assert await app.refused(create(text("b\x1fc", vendor="a"))) == ResultReason.INVALID_ATTRIBUTE
    assert await app.refused(LocateRequest(attributes=(shell,))) == ResultReason.INVALID_FIELD


async def test_what_has_no_key_block_is_not_given_plain_where_wrapping_is_asked(app: Caller) -> None:
    uid = (await app.call(opaque(b"secret", Attribute("Sensitive", True)))).unique_identifier
    kek = (await app.call(create(usage=CryptographicUsageMask.WRAP_KEY))).unique_identifier
    specification = KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=EncryptionKeyInformation(unique_identifier=kek),
    )
    assert await app.refused(get(uid)) == ResultReason.SENSITIVE
    request = GetRequest(unique_identifier=uid, key_wrapping_specification=specification)
    assert await app.refused(request) == ResultReason.ILLEGAL_OPERATION


def whole(number: int) -> Item:
    return Item(Tag.ATTRIBUTE_VALUE, ItemType.INTEGER, number)


@pytest.mark.parametrize(
    "conditions",
    [
        tuple(text(f"x-{number}") for number in range(33)),
        tuple(name(f"name {number}") for number in range(1000)),
        (Attribute("x-a", Item(Tag.ATTRIBUTE_VALUE, ItemType.STRUCTURE, tuple(map(whole, range(3000))))),),
    ],
    ids=["attributes", "names", "fields"],
)
async def test_a_search_by_very_much_is_refused(app: Caller, conditions: tuple[Attribute, ...]) -> None:
    assert await app.refused(LocateRequest(attributes=conditions)) == ResultReason.INVALID_FIELD
    assert await app.call(LocateRequest(attributes=conditions[:16] if len(conditions) > 1 else ())) is not None


@pytest.mark.parametrize("where", ["attribute", "Key Block"])
async def test_a_negative_length_is_refused(app: Caller, where: str) -> None:
    block = KeyBlock(
        key_format_type=KeyFormatType.RAW,
        key_value=KeyValue(key_material=b"secret"),
        cryptographic_algorithm=CryptographicAlgorithm.AES if where == "Key Block" else None,
        cryptographic_length=-8 if where == "Key Block" else None,
    )
    attributes_ = (Attribute("Cryptographic Length", -8),) if where == "attribute" else ()
    request = RegisterRequest(
        object_type=ObjectType.SECRET_DATA,
        attributes=Template(attributes=attributes_),
        managed_object=SecretData(secret_data_type=SecretDataType.PASSWORD, key_block=block),
    )
    assert await app.refused(request) == ResultReason.INVALID_FIELD


async def test_an_object_has_so_many_attributes_and_no_more(app: Caller) -> None:
    app = app.at(V2_1)
    assert await app.refused(create(*(Attribute("x-a", whole(n)) for n in range(20_000)))) == ResultReason.INVALID_FIELD
    structure = Item(Tag.ATTRIBUTE_VALUE, ItemType.STRUCTURE, tuple(map(whole, range(3000))))
    for large in (text("x-a", "x" * 70_000), Attribute("x-a", structure)):
        assert await app.refused(create(large)) == ResultReason.SERVER_LIMIT_EXCEEDED
    uid = (await app.call(create())).unique_identifier
    for number in range(2):
        request = AddAttributeRequest(unique_identifier=uid, new_attribute=text(f"x-{number}", "x" * 40_000))
        if number == 0:
            await app.call(request)
        else:
            assert await app.refused(request) == ResultReason.SERVER_LIMIT_EXCEEDED
    assert set(shown(await app.call(attributes(uid)))) >= {"x-0"}


@pytest.mark.parametrize(
    ("version", "attribute"),
    [(V2_1, Attribute("Protection Level", ProtectionLevel.HIGH)), (V1_4, text(PROTECTION_ATTRIBUTE, "HSM"))],
    ids=["2.1", "1.4"],
)
async def test_nobody_makes_the_protection_level_lie(app: Caller, version: Any, attribute: Attribute) -> None:
    assert PROTECTION_ATTRIBUTE in PROTECTION
    uid = (await app.call(create(text(PROTECTION_ATTRIBUTE, "SOFTWARE")))).unique_identifier
    app = app.at(version)
    before = await app.call(attributes(uid))
    reference = AttributeReference(attribute.name)
    for request in (
        ModifyAttributeRequest(unique_identifier=uid, new_attribute=attribute),
        DeleteAttributeRequest(unique_identifier=uid, attribute_reference=reference),
        *([SetAttributeRequest(unique_identifier=uid, new_attribute=attribute)] if version == V2_1 else []),
    ):
        assert await app.refused(request) in (ResultReason.ATTRIBUTE_READ_ONLY, ResultReason.PERMISSION_DENIED)
    assert await app.call(attributes(uid)) == before


async def test_what_is_no_request_is_answered_and_audited(app: Caller, server: Server) -> None:
    peer = server.peer("acme", "app")
    await server.dispatcher.respond(peer, b"\x42\x00\x78\x01\x00\x00\x00\x08" + bytes(8))
    await server.dispatcher.reject(peer, ProtocolError("too large"))
    await app.batch([get("x")] * 65)
    records = [record for _, record in server.store.audit_after(0)]
    assert [(r.tenant, r.client, r.operation, r.result, r.reason) for r in records] == [
        ("acme", "app", "MESSAGE", "OPERATION_FAILED", "INVALID_MESSAGE"),
        ("acme", "app", "MESSAGE", "OPERATION_FAILED", "INVALID_MESSAGE"),
        ("acme", "app", "GET", "OPERATION_FAILED", "INVALID_MESSAGE"),
    ]


async def test_a_certificate_that_nobody_knows_is_refused_and_audited(server: Server) -> None:
    known = trustme.CA().issue_cert("client.example").cert_chain_pems[0].bytes().decode()
    for certificate, why in ((ssl.PEM_cert_to_DER_cert(known), "no client"), (b"\x30\x03junk", "cannot be read")):
        with pytest.raises(Refused, match=why):
            await server.dispatcher.connect(certificate, "192.0.2.1:7")
        _, record = server.store.audit_after(0)[-1]
        assert (record.operation, record.result, record.address) == ("CONNECT", "OPERATION_FAILED", "192.0.2.1:7")
        assert hashlib.sha256(certificate).hexdigest() in str(record.detail)


async def test_a_wrong_password_is_audited_under_the_client_of_the_certificate(server: Server) -> None:
    client = server.settings["acme"].clients["app"]
    secured = replace(client, password=PasswordHash(hash_password(b"right")))
    peer = Peer(KnownClient(Identity("acme", "app", client.roles), secured), "192.0.2.1:1")
    for password, refused in ((None, True), ("wrong", True), ("right", False)):
        credential = Credential(
            credential_type=CredentialType.USERNAME_AND_PASSWORD,
            credential_value=UsernameAndPassword(username="app", password=password),
        )
        authentication = Authentication(credentials=(credential,)) if password else None
        header = RequestHeader(protocol_version=V1_4, authentication=authentication, batch_count=1)
        item = RequestBatchItem(operation=Operation.CREATE, payload=create())
        frame = encode_request(RequestMessage(header=header, batch_items=(item,)))
        answer = await server.dispatcher.respond(peer, frame)
        assert (decode_response(answer.data).batch_items[0].result_status == ResultStatus.OPERATION_FAILED) == refused
        _, record = server.store.audit_after(0)[-1]
        assert (record.client, record.operation) == ("app", "CREATE")
        assert record.reason == ("AUTHENTICATION_NOT_SUCCESSFUL" if refused else None)
