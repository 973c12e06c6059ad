"""What a client must not get by asking oddly: the server's own attributes, plain secrets, more than its share."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, AttributeReference, Template
from protocol.enums import CryptographicUsageMask, ObjectType, OpaqueDataType, ResultReason, WrappingMethod
from protocol.names import Tag
from protocol.objects import EncryptionKeyInformation, KeyWrappingSpecification, OpaqueObject
from protocol.operations.add_attribute import AddAttributeRequest
from protocol.operations.delete_attribute import DeleteAttributeRequest
from protocol.operations.get import GetRequest
from protocol.operations.locate import LocateRequest
from protocol.operations.modify_attribute import ModifyAttributeRequest
from protocol.operations.register import RegisterRequest
from protocol.ttlv import Item, ItemType
from protocol.versions import V1_0, V1_4, V2_1
from tests.operations.conftest import Caller
from tests.operations.requests import create, get


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
