"""Export: what Get gives and all attributes, in one answer, under the rules of Get."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, Template
from protocol.enums import (
    BlockCipherMode,
    CertificateType,
    CryptographicUsageMask,
    EncodingOption,
    ObjectType,
    ResultReason,
    State,
    WrappingMethod,
)
from protocol.objects import Certificate, EncryptionKeyInformation, KeyWrappingSpecification
from protocol.operations.export import ExportRequest
from protocol.operations.register import RegisterRequest
from protocol.structures import CryptographicParameters
from protocol.versions import V1_4, V2_0, V2_1
from tests.operations.conftest import NOW, Caller, Server
from tests.operations.requests import attributes, create, destroy, get, name, register, shown

KEY = bytes(range(32))


def export(uid: str | None = None, specification: KeyWrappingSpecification | None = None) -> ExportRequest:
    return ExportRequest(unique_identifier=uid, key_wrapping_specification=specification)


@pytest.mark.parametrize("version", [V1_4, V2_0, V2_1])
async def test_the_object_comes_with_all_its_attributes(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(register(KEY, name("one")))).unique_identifier
    before = shown(await app.call(attributes(uid)))
    exported = await app.call(export(uid))
    assert (exported.object_type, exported.unique_identifier) == (ObjectType.SYMMETRIC_KEY, uid)
    assert exported.managed_object.key_block.key_value.key_material == KEY
    assert shown(exported) == before
    # It has been served.
    assert shown(await app.call(attributes(uid)))["Fresh"] is False


async def test_the_id_placeholder_is_the_exported_object(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    answer = await app.batch([create(), export(uid), get()])
    assert answer.batch_items[2].payload.unique_identifier == uid  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        (Attribute("Sensitive", True), ResultReason.SENSITIVE),
        (Attribute("Extractable", False), ResultReason.NOT_EXTRACTABLE),
    ],
)
async def test_what_get_refuses_is_not_exported(app: Caller, attribute: Attribute, reason: ResultReason) -> None:
    uid = (await app.call(create(attribute))).unique_identifier
    assert await app.refused(export(uid)) == reason


async def test_a_sensitive_key_is_exported_wrapped(app: Caller) -> None:
    active = Attribute("Activation Date", NOW)
    wrapping = (await app.call(create(active, usage=CryptographicUsageMask.WRAP_KEY))).unique_identifier
    uid = (await app.call(create(Attribute("Sensitive", True), length=128))).unique_identifier
    specification = KeyWrappingSpecification(
        wrapping_method=WrappingMethod.ENCRYPT,
        encryption_key_information=EncryptionKeyInformation(
            unique_identifier=wrapping,
            cryptographic_parameters=CryptographicParameters(block_cipher_mode=BlockCipherMode.NIST_KEY_WRAP),
        ),
        encoding_option=EncodingOption.NO_ENCODING,
    )
    block = (await app.call(export(uid, specification))).managed_object.key_block
    assert block.key_wrapping_data.encryption_key_information.unique_identifier == wrapping


async def test_a_destroyed_key_is_exported_without_its_material(app: Caller) -> None:
    uid = (await app.call(register(KEY))).unique_identifier
    await app.call(destroy(uid))
    exported = await app.call(export(uid))
    assert exported.managed_object.key_block.key_value is None
    assert shown(exported)["State"] == State.DESTROYED
    wire = Certificate(certificate_type=CertificateType.PGP, certificate_value=b"value")
    request = RegisterRequest(object_type=ObjectType.CERTIFICATE, attributes=Template(), managed_object=wire)
    uid = (await app.call(request)).unique_identifier
    await app.call(destroy(uid))
    assert await app.refused(export(uid)) == ResultReason.PERMISSION_DENIED


async def test_another_tenants_object_and_a_client_without_the_right_are_refused(server: Server, app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    assert await server.caller("bank").refused(export(uid)) == ResultReason.ITEM_NOT_FOUND
    assert await server.caller("acme", "reader").refused(export(uid)) == ResultReason.PERMISSION_DENIED
