"""Join Split Key: the key is back, with what its parts say of it, and nothing comes of parts that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.attributes import Attribute, Template
from protocol.enums import CryptographicAlgorithm as Algorithm
from protocol.enums import CryptographicUsageMask as Mask
from protocol.enums import KeyFormatType, ObjectType, RecommendedCurve, ResultReason, SecretDataType, SplitKeyMethod
from protocol.objects import KeyBlock, KeyValue, SecretData, SplitKey
from protocol.operations.get import GetRequest
from protocol.operations.join_split_key import JoinSplitKeyRequest
from protocol.operations.register import RegisterRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server
from tests.operations.requests import attributes, create, destroy, get, name, pair, register, shown
from tests.operations.test_create_split_key import VERSIONS, split

SECRET = bytes(range(1, 17))


def join(
    parts: Any,
    *more: Attribute,
    object_type: ObjectType = ObjectType.SYMMETRIC_KEY,
    secret_data_type: SecretDataType | None = None,
) -> JoinSplitKeyRequest:
    return JoinSplitKeyRequest(
        object_type=object_type,
        unique_identifiers=tuple(parts),
        secret_data_type=secret_data_type,
        attributes=Template(attributes=more) if more else None,
    )


def part(share: bytes, identifier: int, threshold: int = 2) -> RegisterRequest:
    block = KeyBlock(key_format_type=KeyFormatType.RAW, key_value=KeyValue(key_material=share))
    wire = SplitKey(
        split_key_parts=4,
        key_part_identifier=identifier,
        split_key_threshold=threshold,
        split_key_method=SplitKeyMethod.POLYNOMIAL_SHARING_GF2_8,
        key_block=block,
    )
    return RegisterRequest(object_type=ObjectType.SPLIT_KEY, attributes=Template(), managed_object=wire)


async def material(app: Caller, uid: str) -> Any:
    return (await app.call(get(uid))).managed_object.key_block.key_value.key_material


@pytest.mark.parametrize("version", VERSIONS)
async def test_enough_parts_give_the_key_back_with_its_attributes(app: Caller, version: Any) -> None:
    app = app.at(version)
    uid = (await app.call(register(SECRET))).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    joined = (await app.call(join(parts[1:], name("joined")))).unique_identifier
    assert await material(app, joined) == SECRET
    seen = shown(await app.call(attributes(joined)))
    assert seen["Object Type"] == ObjectType.SYMMETRIC_KEY
    assert seen["Cryptographic Algorithm"] == Algorithm.AES
    assert seen["Cryptographic Length"] == 128
    assert seen["Cryptographic Usage Mask"] == Mask.ENCRYPT | Mask.DECRYPT
    assert seen["Name"].name_value == "joined"


@pytest.mark.parametrize(
    ("method", "prime"),
    [
        (SplitKeyMethod.XOR, None),
        (SplitKeyMethod.POLYNOMIAL_SHARING_GF2_16, None),
        (SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD, None),
        (SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD, (1 << 521) - 1),
    ],
)
async def test_every_method(app: Caller, method: SplitKeyMethod, prime: int | None) -> None:
    uid = (await app.call(register(SECRET))).unique_identifier
    parts = (await app.call(split(uid, parts=3, threshold=3, method=method, prime=prime))).unique_identifiers
    assert await material(app, (await app.call(join(parts))).unique_identifier) == SECRET


@pytest.mark.parametrize("method", [SplitKeyMethod.XOR, SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD])
async def test_private_keys(app: Caller, method: SplitKeyMethod) -> None:
    made = await app.call(pair(Algorithm.EC, None, RecommendedCurve.P_256))
    uid = made.private_key_unique_identifier
    # 2^3217 - 1 is a prime above any PKCS#8 form of such a key.
    prime = (1 << 3217) - 1 if method == SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD else None
    parts = (await app.call(split(uid, parts=2, threshold=2, method=method, prime=prime))).unique_identifiers
    joined = (await app.call(join(parts, object_type=ObjectType.PRIVATE_KEY))).unique_identifier
    encoded = GetRequest(unique_identifier=uid, key_format_type=KeyFormatType.PKCS_8)
    key = (await app.call(encoded)).managed_object.key_block.key_value.key_material
    assert await material(app, joined) == key
    seen = shown(await app.call(attributes(joined)))
    assert seen["Cryptographic Domain Parameters"].recommended_curve == RecommendedCurve.P_256


async def test_secret_data(app: Caller) -> None:
    block = KeyBlock(key_format_type=KeyFormatType.RAW, key_value=KeyValue(key_material=b"pass phrase"))
    wire = SecretData(secret_data_type=SecretDataType.PASSWORD, key_block=block)
    request = RegisterRequest(object_type=ObjectType.SECRET_DATA, attributes=Template(), managed_object=wire)
    uid = (await app.call(request)).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    request_ = join(parts, object_type=ObjectType.SECRET_DATA, secret_data_type=SecretDataType.PASSWORD)
    joined = await app.call(get((await app.call(request_)).unique_identifier))
    assert joined.managed_object.secret_data_type == SecretDataType.PASSWORD
    assert joined.managed_object.key_block.key_value.key_material == b"pass phrase"


async def test_parts_that_clients_registered(app: Caller) -> None:
    shares = {1: "66C46A7754F94DE420C7B1A7FFF5EC56", 4: "803DBAD55CDD329FAD19D99AE2C5A415"}
    parts = [(await app.call(part(bytes.fromhex(share), x))).unique_identifier for x, share in shares.items()]
    assert await app.refused(join(parts)) == ResultReason.INVALID_FIELD
    joined = await app.call(join(parts, Attribute("Cryptographic Algorithm", Algorithm.AES)))
    assert await material(app, joined.unique_identifier) == SECRET


async def test_too_few_different_parts_give_nothing(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    for few in (parts[:1], (parts[0], parts[0])):
        assert await app.refused(join(few)) == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_parts_of_two_keys_give_nothing(app: Caller) -> None:
    first = (await app.call(create())).unique_identifier
    second = (await app.call(create(length=128))).unique_identifier
    ours = (await app.call(split(first))).unique_identifiers
    theirs = (await app.call(split(second))).unique_identifiers
    other = (await app.call(split(first, parts=4))).unique_identifiers
    again = (await app.call(split(first))).unique_identifiers
    for mixed in ((ours[0], theirs[1]), (ours[0], other[1]), (ours[0], again[0], ours[1])):
        assert await app.refused(join(mixed)) == ResultReason.CRYPTOGRAPHIC_FAILURE


async def test_a_key_of_sensitive_parts_is_sensitive(app: Caller) -> None:
    uid = (await app.call(create(Attribute("Sensitive", True)))).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    joined = (await app.call(join(parts, Attribute("Sensitive", False)))).unique_identifier
    assert await app.refused(get(joined)) == ResultReason.SENSITIVE
    uid = (await app.call(create(Attribute("Extractable", False)))).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    joined = (await app.call(join(parts, Attribute("Extractable", True)))).unique_identifier
    assert await app.refused(get(joined)) == ResultReason.NOT_EXTRACTABLE
    seen = shown(await app.call(attributes(joined)))
    assert seen["Never Extractable"] is True
    assert seen["Always Sensitive"] is False


async def test_what_is_not_joined_is_refused(app: Caller) -> None:
    uid = (await app.call(create())).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    assert await app.refused(join((uid, parts[0]))) == ResultReason.ILLEGAL_OPERATION
    assert await app.refused(join(parts, object_type=ObjectType.CERTIFICATE)) == ResultReason.ILLEGAL_OPERATION
    assert await app.refused(join(parts, secret_data_type=SecretDataType.SEED)) == ResultReason.INVALID_FIELD
    assert await app.refused(join(parts, object_type=ObjectType.PRIVATE_KEY)) == ResultReason.CRYPTOGRAPHIC_FAILURE
    await app.call(destroy(parts[0]))
    assert await app.at(V2_1).refused(join(parts)) == ResultReason.OBJECT_DESTROYED


async def test_the_tenants_algorithms_bind_the_joined_key(app: Caller) -> None:
    uid = (await app.call(register(SECRET))).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    camellia = Attribute("Cryptographic Algorithm", Algorithm.CAMELLIA)
    assert await app.refused(join(parts, camellia)) == ResultReason.PERMISSION_DENIED


async def test_others_do_not_join(app: Caller, server: Server) -> None:
    uid = (await app.call(create())).unique_identifier
    parts = (await app.call(split(uid))).unique_identifiers
    assert await server.caller("bank").refused(join(parts)) == ResultReason.ITEM_NOT_FOUND
    assert await server.caller(name="reader").refused(join(parts)) == ResultReason.PERMISSION_DENIED
