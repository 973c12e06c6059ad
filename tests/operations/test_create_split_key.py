"""Create Split Key: the parts, what they inherit, and what is not split."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import (
    LinkType,
    ObjectType,
    ProtectionStorageMask,
    ResultReason,
    SplitKeyMethod,
)
from protocol.operations.create_split_key import CreateSplitKeyRequest
from protocol.structures import ProtectionStorageMasks
from protocol.versions import SUPPORTED, V1_1, V1_2, V1_4, V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, destroy, get, name, pair, register, shown

VERSIONS = [version for version in SUPPORTED if version >= V1_2]
GF8 = SplitKeyMethod.POLYNOMIAL_SHARING_GF2_8


def split(
    uid: str | None,
    *more: Attribute,
    parts: int = 3,
    threshold: int = 2,
    method: SplitKeyMethod = GF8,
    prime: int | None = None,
    object_type: ObjectType = ObjectType.SPLIT_KEY,
    masks: ProtectionStorageMasks | None = None,
) -> CreateSplitKeyRequest:
    return CreateSplitKeyRequest(
        object_type=object_type,
        unique_identifier=uid,
        split_key_parts=parts,
        split_key_threshold=threshold,
        split_key_method=method,
        prime_field_size=prime,
        attributes=Template(attributes=more),
        protection_storage_masks=masks,
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_key_is_split_into_numbered_parts_that_say_what_the_key_says(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(create())).unique_identifier
    wanted = Attribute("Cryptographic Usage Mask", Mask.SIGN)
    made = await app.call(split(uid, wanted))
    assert len(set(made.unique_identifiers)) == 3
    for identifier, part in enumerate(made.unique_identifiers, 1):
        got = await app.call(get(part))
        wire = got.managed_object
        assert got.object_type == ObjectType.SPLIT_KEY
        assert (wire.split_key_parts, wire.key_part_identifier, wire.split_key_threshold) == (3, identifier, 2)
        assert wire.split_key_method == GF8
        assert len(wire.key_block.key_value.key_material) == 32
        seen = shown(await app.call(attributes(part)))
        assert seen["Cryptographic Algorithm"] == Algorithm.AES
        assert seen["Cryptographic Length"] == 256
        # "The attributes of the key take precedence" (KMIP 1.4 §4.38).
        assert seen["Cryptographic Usage Mask"] == Mask.ENCRYPT | Mask.DECRYPT
        if version >= V1_4:
            assert seen["Link"].link_type == LinkType.PARENT_LINK
            assert seen["Link"].linked_object_identifier == uid


async def test_without_a_key_the_server_makes_one_that_only_its_parts_know(app: Caller) -> None:
    mask = Attribute("Cryptographic Usage Mask", Mask.ENCRYPT)
    made = await app.call(split(None, Attribute("Cryptographic Algorithm", Algorithm.AES), mask))
    for part in made.unique_identifiers:
        seen = shown(await app.call(attributes(part)))
        assert seen["Object Type"] == ObjectType.SPLIT_KEY
        assert seen["Cryptographic Length"] == 256
        assert "Link" not in seen
    assert await app.refused(split(None)) == ResultReason.INVALID_FIELD


async def test_the_id_placeholder_is_the_first_part(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    response = await app.batch([split(uid), attributes()])
    first = response.batch_items[0].payload.unique_identifiers[0]  # type: ignore[attr-defined]
    assert response.batch_items[1].payload.unique_identifier == first  # type: ignore[attr-defined]


async def test_parts_are_no_easier_to_have_than_the_key(app: Caller) -> None:
    sensitive = Attribute("Sensitive", True)
    uid = (await app.call(create(sensitive))).unique_identifier
    made = await app.call(split(uid, Attribute("Sensitive", False), Attribute("Extractable", True)))
    assert await app.refused(get(made.unique_identifiers[0])) == ResultReason.SENSITIVE
    uid = (await app.call(create(Attribute("Extractable", False)))).unique_identifier
    made = await app.call(split(uid))
    assert await app.refused(get(made.unique_identifiers[0])) == ResultReason.NOT_EXTRACTABLE


@pytest.mark.parametrize("method", [SplitKeyMethod.XOR, SplitKeyMethod.POLYNOMIAL_SHARING_GF2_16])
async def test_every_method(app: Caller, method: SplitKeyMethod) -> None:
    uid = (await app.call(create())).unique_identifier
    assert len((await app.call(split(uid, method=method, parts=4, threshold=4))).unique_identifiers) == 4


async def test_in_a_prime_field_the_server_chooses_the_prime_where_the_client_does_not(app: Caller) -> None:
    uid = (await app.call(create(length=128))).unique_identifier
    prime_field = SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD
    made = await app.call(split(uid, method=prime_field))
    assert (await app.call(get(made.unique_identifiers[0]))).managed_object.prime_field_size == (1 << 128) + 51
    prime = (1 << 521) - 1
    made = await app.call(split(uid, method=prime_field, prime=prime))
    assert (await app.call(get(made.unique_identifiers[2]))).managed_object.prime_field_size == prime
    assert await app.refused(split(uid, method=prime_field, prime=prime + 2)) == ResultReason.INVALID_FIELD


@pytest.mark.parametrize(
    "wrong",
    [
        {"parts": 1, "threshold": 1},
        {"parts": 256},
        {"parts": -1},
        {"threshold": 4},
        {"threshold": 0},
        {"method": SplitKeyMethod.XOR},
        {"method": SplitKeyMethod(0x80000001)},
    ],
)
async def test_what_is_no_way_to_split_is_refused(app: Caller, wrong: dict[str, Any]) -> None:
    uid = (await app.call(create())).unique_identifier
    assert await app.refused(split(uid, **wrong)) == ResultReason.INVALID_FIELD


async def test_what_is_not_split_is_refused(app: Caller) -> None:
    public = (await app.call(pair())).public_key_unique_identifier
    assert await app.refused(split(public)) == ResultReason.ILLEGAL_OPERATION
    uid = (await app.call(create())).unique_identifier
    assert await app.refused(split(uid, object_type=ObjectType.CERTIFICATE)) == ResultReason.ILLEGAL_OPERATION
    part = (await app.call(split(uid))).unique_identifiers[0]
    assert await app.refused(split(part)) == ResultReason.ILLEGAL_OPERATION
    await app.call(destroy(uid))
    assert await app.at(V2_1).refused(split(uid)) == ResultReason.OBJECT_DESTROYED
    assert await app.refused(split("none")) == ResultReason.ITEM_NOT_FOUND


async def test_two_parts_cannot_have_one_name(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    assert await app.refused(split(uid, name("part"))) == ResultReason.INVALID_FIELD


async def test_parts_in_hardware_are_refused(app: Caller) -> None:
    app = app.at(V2_1)
    uid = (await app.call(create())).unique_identifier
    masks = ProtectionStorageMasks(masks=(ProtectionStorageMask.HARDWARE,))
    assert await app.refused(split(uid, masks=masks)) == ResultReason.PROTECTION_STORAGE_UNAVAILABLE


async def test_others_do_not_split_it_and_1_1_has_no_such_operation(app: Caller, server: Server) -> None:
    uid = (await app.call(register(bytes(16)))).unique_identifier
    assert await server.caller("bank").refused(split(uid)) == ResultReason.ITEM_NOT_FOUND
    assert await server.caller(name="reader").refused(split(uid)) == ResultReason.PERMISSION_DENIED
    with pytest.raises(Exception, match="payload of this operation"):
        await app.at(V1_1).call(split(uid))
