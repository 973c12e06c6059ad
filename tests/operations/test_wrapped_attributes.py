"""Attributes that a Get wraps with the key, and that a Register takes out again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import keywrap

from protocol.attributes import Attribute
from protocol.compiler import decode
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import EncodingOption, KeyFormatType, ObjectType, ResultReason
from protocol.objects import KeyValue, KeyWrappingSpecification
from protocol.operations.get import GetRequest
from protocol.versions import SUPPORTED, V1_0, V1_4, V2_1
from tests.operations.conftest import Caller
from tests.operations.requests import activate, attributes, create, destroy, get, name, register, shown
from tests.operations.test_register import KEK, request_for, wrapping

CONTACT = Attribute("Contact Information", "somebody")
NAMES = ("Contact Information", "Cryptographic Usage Mask")


@pytest.fixture
async def kek(app: Caller) -> str:
    uid = (await app.call(register(KEK, usage=Mask.WRAP_KEY | Mask.UNWRAP_KEY))).unique_identifier
    await app.call(activate(uid))
    return str(uid)


def asking(kek: str, *names: str, option: EncodingOption | None = None) -> KeyWrappingSpecification:
    return replace(wrapping(kek, option), attribute_names=names)


@pytest.mark.parametrize("version", SUPPORTED)
async def test_they_are_in_the_wrapped_key_value_and_come_back(app: Caller, version: Any, kek: str) -> None:
    app = app.at(version)
    uid = (await app.call(create(CONTACT))).unique_identifier
    option = EncodingOption.TTLV_ENCODING if version > V1_0 else None
    request = GetRequest(unique_identifier=uid, key_wrapping_specification=asking(kek, *NAMES, option=option))
    wrapped = (await app.call(request)).managed_object
    opened = decode(KeyValue, keywrap.aes_key_unwrap(KEK, wrapped.key_block.key_value), version, KeyFormatType.RAW)
    assert [(a.name, a.value) for a in opened.attributes or ()] == [
        ("Contact Information", "somebody"),
        ("Cryptographic Usage Mask", Mask.ENCRYPT | Mask.DECRYPT),
    ]
    plain = (await app.call(get(uid))).managed_object.key_block.key_value
    assert opened.key_material == plain.key_material
    again = request_for(ObjectType.SYMMETRIC_KEY, wrapped)
    found = shown(await app.call(attributes((await app.call(again)).unique_identifier)))
    assert found["Contact Information"] == "somebody"
    assert found["Cryptographic Usage Mask"] == Mask.ENCRYPT | Mask.DECRYPT


@pytest.mark.parametrize("version", [V1_4, V2_1])
async def test_no_encoding_takes_none(app: Caller, version: Any, kek: str) -> None:
    app = app.at(version)
    uid = (await app.call(create(name("one")))).unique_identifier
    specification = asking(kek, "Name", option=EncodingOption.NO_ENCODING)
    request = GetRequest(unique_identifier=uid, key_wrapping_specification=specification)
    assert await app.refused(request) == ResultReason.ENCODING_OPTION_ERROR
    twice = GetRequest(unique_identifier=uid, key_wrapping_specification=asking(kek, "Name", "Name"))
    assert await app.refused(twice) == ResultReason.INVALID_MESSAGE
    await app.call(destroy(uid))
    assert await app.at(V2_1).refused(request) == ResultReason.OBJECT_DESTROYED
