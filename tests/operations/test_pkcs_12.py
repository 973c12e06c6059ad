"""Private keys in PKCS#12: the password is an object, and whoever may not use it gets nothing."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from protocol.attributes import Attribute, Template
from protocol.enums import (
    CryptographicUsageMask,
    KeyFormatType,
    LinkType,
    ObjectType,
    ResultReason,
    SecretDataType,
)
from protocol.objects import KeyBlock, KeyValue, PrivateKey, SecretData
from protocol.operations.get import GetRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import Link
from protocol.versions import V2_1
from tests.crypto.test_chains import KEYS
from tests.crypto.test_containers import CHAIN, KEY, PASSWORD, others
from tests.operations.conftest import NOW, Caller
from tests.operations.requests import attributes, create, get, register, revoke, shown


async def password(app: Caller, *, active: bool = True, kind: SecretDataType = SecretDataType.PASSWORD) -> str:
    given = [Attribute("Cryptographic Usage Mask", CryptographicUsageMask.DERIVE_KEY)]
    if active:
        given.append(Attribute("Activation Date", NOW - 1))
    block = KeyBlock(key_format_type=KeyFormatType.OPAQUE, key_value=KeyValue(key_material=PASSWORD))
    request = RegisterRequest(
        object_type=ObjectType.SECRET_DATA,
        attributes=Template(attributes=tuple(given)),
        managed_object=SecretData(secret_data_type=kind, key_block=block),
    )
    return str((await app.call(request)).unique_identifier)


def private(material: bytes, key_format: KeyFormatType, *links: str, inner: bool = False) -> RegisterRequest:
    given = [Attribute("Cryptographic Usage Mask", CryptographicUsageMask.SIGN)]
    for uid in links:
        link = Link(link_type=LinkType.PKCS_12_PASSWORD_LINK, linked_object_identifier=uid)
        given.append(Attribute("Link", link))
    value: Any = material if key_format == KeyFormatType.PKCS_12 and not inner else KeyValue(key_material=material)
    return RegisterRequest(
        object_type=ObjectType.PRIVATE_KEY,
        attributes=Template(attributes=tuple(given)),
        managed_object=PrivateKey(key_block=KeyBlock(key_format_type=key_format, key_value=value)),
    )


def container(uid: str) -> GetRequest:
    return GetRequest(unique_identifier=uid, key_format_type=KeyFormatType.PKCS_12)


@pytest.mark.parametrize("inner", [False, True])
async def test_a_container_becomes_a_key_and_its_certificates_and_one_again(app: Caller, inner: bool) -> None:
    app = app.at(V2_1)
    secret = await password(app)
    uid = (await app.call(private(others(), KeyFormatType.PKCS_12, secret, inner=inner))).unique_identifier
    block = (await app.call(get(uid))).managed_object.key_block
    assert (block.key_format_type, block.key_value.key_material) == (KeyFormatType.PKCS_8, KEY)
    seen = shown(await app.call(attributes(uid)))
    assert seen["PKCS#12 Friendly Name"] == "Leaf"
    certificates = []
    link: Any = seen["Link"]
    while link is not None:
        assert link.link_type == LinkType.PKCS_12_CERTIFICATE_LINK
        certificates.append((await app.call(get(link.linked_object_identifier))).managed_object.certificate_value)
        link = shown(await app.call(attributes(link.linked_object_identifier))).get("Link")
    assert tuple(certificates) == CHAIN
    found = load_pkcs12((await app.call(container(uid))).managed_object.key_block.key_value, PASSWORD)
    assert found.key is not None
    assert found.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) == KEY
    assert found.cert is not None
    assert found.cert.friendly_name == b"Leaf"
    assert [other.certificate.public_bytes(Encoding.DER) for other in found.additional_certs] == list(CHAIN[1:])


async def test_a_key_that_came_otherwise_is_given_in_a_container(app: Caller) -> None:
    app = app.at(V2_1)
    secret = await password(app)
    uid = (await app.call(private(KEY, KeyFormatType.PKCS_8, secret))).unique_identifier
    found = load_pkcs12((await app.call(container(uid))).managed_object.key_block.key_value, PASSWORD)
    assert found.key is not None
    assert found.key.private_numbers() == KEYS["leaf"].private_numbers()  # type: ignore[union-attr]
    assert found.cert is None


async def test_without_one_password_there_is_no_container(app: Caller) -> None:
    app = app.at(V2_1)
    one, two = await password(app), await password(app)
    other, key = await password(app, kind=SecretDataType.SEED), (await app.call(create())).unique_identifier
    for links in ((), (one, two), (other,), (key,)):
        assert await app.refused(private(others(), KeyFormatType.PKCS_12, *links)) == ResultReason.INVALID_FIELD
        uid = (await app.call(private(KEY, KeyFormatType.PKCS_8, *links))).unique_identifier
        assert await app.refused(container(uid)) == ResultReason.INVALID_FIELD
    assert await app.refused(private(others(), KeyFormatType.PKCS_12, "nobody")) == ResultReason.OBJECT_NOT_FOUND
    assert (await app.call(LocateRequest(attributes=(Attribute("Object Type", ObjectType.CERTIFICATE),)))) is not None


async def test_a_password_out_of_use_opens_nothing(app: Caller) -> None:
    app = app.at(V2_1)
    new = await password(app, active=False)
    wrong_state = ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert await app.refused(private(others(), KeyFormatType.PKCS_12, new)) == wrong_state
    secret = await password(app)
    uid = (await app.call(private(KEY, KeyFormatType.PKCS_8, secret))).unique_identifier
    await app.call(revoke(secret))
    assert await app.refused(container(uid)) == wrong_state


async def test_a_refused_container_leaves_no_certificates(app: Caller) -> None:
    app = app.at(V2_1)
    secret = await password(app)
    assert await app.refused(private(others()[:-1], KeyFormatType.PKCS_12, secret)) == ResultReason.INVALID_FIELD
    found = await app.call(LocateRequest(attributes=(Attribute("Object Type", ObjectType.CERTIFICATE),)))
    assert found.unique_identifiers == ()


async def test_other_objects_have_no_container(app: Caller) -> None:
    uid = (await app.call(register(bytes(32)))).unique_identifier
    assert await app.refused(container(uid)) == ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED
    uid = (await app.call(private(KEY, KeyFormatType.PKCS_8))).unique_identifier
    sensitive = private(KEY, KeyFormatType.PKCS_8, await password(app))
    given = (*sensitive.attributes.attributes, Attribute("Sensitive", True))
    sensitive.attributes = Template(attributes=given)
    uid = (await app.call(sensitive)).unique_identifier
    assert await app.refused(container(uid)) == ResultReason.SENSITIVE
